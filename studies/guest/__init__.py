"""A machine that we do not own: two sockets, two NUMA nodes, two threads a core, as a guest of qemu in software.

`python -m studies.guest` boots it, has the suite run inside, and holds what comes back against what was configured. It
proves masks, siblings and the place of memory by a real kernel; it says nothing about speed.
"""
