import sys

from fairlot.cli import main

sys.exit(main())
