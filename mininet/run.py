#!/usr/bin/python3
"""Runs scenarios on a leaf–spine network under Weft and says PASS or FAIL for each; exits with 1 when one failed.

    sudo mininet/run.py                      all scenarios, one after another on one network
    sudo mininet/run.py tcp migration        these alone
    sudo mininet/run.py --hosts 6 --vms 4    on a larger network
    sudo mininet/run.py --cli host-failure   then Mininet's prompt
"""

import argparse
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))

if 'WEFT_SANDBOX' not in os.environ:
    sandbox = os.path.join(HERE, 'sandbox')
    os.execv(sandbox, [sandbox, '/usr/bin/python3', os.path.abspath(__file__), *sys.argv[1:]])

from mininet.cli import CLI  # noqa: E402
from mininet.log import setLogLevel  # noqa: E402
from mininet.net import Mininet  # noqa: E402

from nodes import Weft  # noqa: E402
from scenarios import SCENARIOS, Failure, Lab  # noqa: E402
from topology import LeafSpine  # noqa: E402

# The least that every scenario needs: three networks, of which the router joins two.
DEFAULTS = {'leaves': 2, 'spines': 2, 'hosts': 3, 'vms': 3, 'networks': 3, 'routed': 2}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    scenarios = '\n'.join(f'  {name:16}{run.__doc__}' for name, run in SCENARIOS.items())
    parser.epilog = f'scenarios:\n{scenarios}'
    parser.add_argument('scenarios', nargs='*', metavar='SCENARIO', help='default: all')
    parser.add_argument('--cli', action='store_true', help="give Mininet's prompt at the end")
    for name, value in DEFAULTS.items():
        parser.add_argument(f'--{name}', type=int, default=value, help=f'default: {value}')
    chosen = parser.parse_args()
    unknown = [name for name in chosen.scenarios if name not in SCENARIOS]
    if unknown:
        parser.error(f'unknown scenario {", ".join(unknown)}; known: {", ".join(SCENARIOS)}')
    return chosen


def attempt(name, run):
    """Prints one line; gives whether it passed. Whatever a scenario raises is its failure, and the next one is tried."""
    start = time.monotonic()
    try:
        verdict, seen = 'PASS', run()
    except Failure as failure:
        verdict, seen = 'FAIL', str(failure)
    except Exception as error:
        verdict, seen = 'FAIL', f'{type(error).__name__}: {error}'
    print(f'{verdict} {name}: {" ".join(seen.split())} ({time.monotonic() - start:.1f} s)', flush=True)
    return verdict == 'PASS'


def start(net):
    net.start()
    return f'{len(net.hosts)} virtual machines are active'


def stop(net):
    net.stop()
    return 'the controller has ended cleanly'


def main():
    chosen = arguments()
    setLogLevel('info' if chosen.cli else 'error')
    topology = LeafSpine(**{name: getattr(chosen, name) for name in DEFAULTS})
    net = Mininet(topo=topology, controller=Weft, listenPort=None, waitConnected=20)
    passed = [attempt('start', lambda: start(net))]
    if passed[0]:
        lab = Lab(net)
        passed += [attempt(name, lambda: SCENARIOS[name](lab)) for name in chosen.scenarios or SCENARIOS]
    if chosen.cli:
        CLI(net)
    passed.append(attempt('stop', lambda: stop(net)))
    return 0 if all(passed) else 1


sys.exit(main())
