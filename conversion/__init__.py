"""OpenSim and MuJoCo: readers, writers and cross-checks. The only importer of either.

Neither engine is imported before something of it is used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
