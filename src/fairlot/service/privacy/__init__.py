"""Who must not be recorded, and what happens to what is known of a subject that is deleted."""

from fairlot.service.privacy.rejections import Rejections

__all__ = ["Rejections"]
