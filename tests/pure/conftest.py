"""Property tests judge what is computed, not how busy the machine is: no deadline for a single example."""

from hypothesis import settings

settings.register_profile("letterpace", deadline=None)
settings.load_profile("letterpace")
