"""How requests of web frameworks become contexts, and what waits for a response gets on it.

One module a framework, each imported by those who use it. All have `request_context(request)`, the
one `RequestContext` of a request, and `get_or_create_subject_id(request)`.
"""
