"""OpenSim and MuJoCo: readers, writers and cross-checks. The only importer of either."""
