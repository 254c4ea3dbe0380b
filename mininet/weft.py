"""For Mininet's command line: the topology and the controller by the name `weft`.

    sudo mininet/sandbox mn --custom mininet/weft.py --topo weft,leaves=2,spines=2,hosts=3,vms=2 --controller weft
"""

import os
import sys

# `mn` executes this file without naming it.
sys.path.insert(0, os.path.dirname(os.path.abspath(sys._getframe().f_code.co_filename)))

from nodes import Weft  # noqa: E402
from topology import LeafSpine  # noqa: E402

topos = {'weft': LeafSpine}
controllers = {'weft': Weft}
