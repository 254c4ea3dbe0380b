"""What must hold of a network that Weft controls, each tried on a running Mininet. A scenario says what it saw, or raises
Failure; it leaves the network as it found it, so that the next one starts from there."""

import json
import time
from itertools import permutations

from nodes import PATIENCE, wait_until

BYTES = 8 << 20  # that one TCP transfer sends
IN_FLIGHT = 2 << 20  # may be in buffers when iperf3's sender has sent all and ends the test


class Failure(Exception):
    """The network does something else than the intent says."""


def pairs_that_reach(vms):
    """The ordered pairs of which the first gets an answer to at least one of three echo requests to the second."""
    one = 'ping -n -q -c 3 -i 0.3 -W 1 {0} >/dev/null 2>&1 && echo {0}'
    runs = {}
    for vm in vms:
        script = ''.join(f'({one.format(other.IP())}) & ' for other in vms if other is not vm) + 'wait'
        runs[vm] = vm.popen(['sh', '-c', script], text=True)
    name_of = {vm.IP(): vm.name for vm in vms}
    return {(vm.name, name_of[address]) for vm, run in runs.items() for address in run.communicate()[0].split()}


def expect_pairs(vms, expected):
    """Tries all pairs until exactly the expected ones reach each other; gives how many of how many that are."""
    deadline = time.monotonic() + PATIENCE
    while True:
        reached = pairs_that_reach(vms)
        if reached == expected:
            return f'{len(expected)} of {len(vms) * (len(vms) - 1)} pairs reach each other'
        if time.monotonic() > deadline:
            raise Failure(f'missing: {names(expected - reached)}; unwanted: {names(reached - expected)}')


def names(pairs):
    return ', '.join(sorted(f'{a}→{b}' for a, b in pairs)) or 'none'


class Lab:
    """A running Mininet, by the roles that scenarios speak of."""

    def __init__(self, net):
        self.net = net
        self.vms = net.hosts
        self.hosts = [switch for switch in net.switches if switch.name.startswith('host')]
        self.leaves = [switch for switch in net.switches if switch.name.startswith('leaf')]
        self.spines = [switch for switch in net.switches if switch.name.startswith('spine')]
        self.intent = net.controllers[0].intent

    def intended(self):
        return self.intent.reachable([vm.name for vm in self.vms])

    def expect_intent(self):
        return expect_pairs(self.vms, self.intended())

    def expect_intent_without(self, host):
        """What the intent says, but for machines of the host: these may still reach each other within it."""
        others = [vm for vm in self.vms if vm.host is not host]
        cut = [vm for vm in self.vms if vm.host is host]
        reached = expect_pairs(others, self.intent.reachable([vm.name for vm in others]))
        across = {(a, b) for a, b in pairs_that_reach(self.vms) if (a in map(str, cut)) != (b in map(str, cut))}
        if across:
            raise Failure(f'a host that is cut off is reached: {names(across)}')
        return reached

    def lose(self, host, fail, recover):
        """The host alone is cut off and is reported; all is as before when it has recovered."""
        fail()
        without = self.expect_intent_without(host)
        wait_until(f'{host.name} is reported as lost', lambda: not self.intent.agent_is_alive(host.name))
        recover()
        wait_until(f'{host.name} is back', lambda: self.intent.agent_is_alive(host.name))
        return f'without {host.name} {without}, with it again {self.expect_intent()}'

    def networks(self):
        return sorted({vm.network for vm in self.vms})

    def across_hosts(self, routed):
        """A pair on two hosts that the intent joins, through the router or on one network."""
        for a, b in permutations(self.vms, 2):
            if a.host is not b.host and (a.network != b.network) == routed and (a.name, b.name) in self.intended():
                return a, b
        raise Failure(f'no machines of two hosts are joined {"through a router" if routed else "on one network"}')


def reachability(lab):
    """all pairs reach each other exactly where the intent joins their networks"""
    intended = lab.intended()
    everything = set(permutations([vm.name for vm in lab.vms], 2))
    if not intended or intended == everything:
        raise Failure('the intent must join some pairs and not others for this to say anything')
    return lab.expect_intent()


def router(lab):
    """a router interface joins a network with others, and its removal parts them"""
    number = next((number for number in lab.networks() if not lab.intent.is_routed(number)), None)
    if number is None:
        raise Failure('every network is joined to the router already')
    before = lab.intended()
    lab.intent.route(number)
    joined = lab.expect_intent()
    if lab.intended() <= before:
        raise Failure('the router interface joined nothing')
    lab.intent.route(number, routed=False)
    return f'{joined}, then {lab.expect_intent()}'


def tcp(lab):
    """TCP carries what is sent between machines of two hosts, on one network and through the router"""
    for routed in (False, True):
        client, server = lab.across_hosts(routed)
        transfer(client, server)
    return f'{BYTES} bytes each way, on one network and through the router'


def transfer(client, server):
    """Both directions, one after the other."""
    for direction in ('', '--reverse'):
        listener = server.popen(['iperf3', '--server', '--one-off'])
        try:
            wait_until(f'iperf3 listens on {server.name}', lambda: ':5201' in server.cmd('ss -Hltn sport = 5201'))
            options = ['--bytes', str(BYTES), '--window', '256K', '--json', *direction.split()]
            run = client.popen(['timeout', '30', 'iperf3', '--client', server.IP(), *options], text=True)
            report = json.loads(run.communicate()[0] or '{"error": "no report within 30 s"}')
        finally:
            listener.kill()
            listener.wait()
        received = report.get('end', {}).get('sum_received', {}).get('bytes', 0)
        if 'error' in report or received < BYTES - IN_FLIGHT:
            raise Failure(f'{client.name}→{server.name} {direction}: {received} bytes; {report.get("error", "no error")}')


def migration(lab):
    """a machine that moves to another host keeps its address and all that it reaches, there and back"""
    vm = lab.vms[0]
    home = vm.host
    seen = []
    for host in (lab.hosts[-1], home):
        vm.migrate(host)
        vm.wait_until_active()
        seen.append(f'on {host.name} {lab.expect_intent()}')
    return '; '.join(seen)


def spine_failure(lab):
    """the overlay goes on while any one spine is cut off, also the controller's, and when it returns"""
    if len(lab.spines) < 2:
        raise Failure('there must be a second spine')
    for spine in lab.spines:
        links = [lab.net.linksBetween(leaf, spine)[0] for leaf in lab.leaves]
        for link in links:
            set_link(link, 'down')
        lab.expect_intent()
        for link in links:
            set_link(link, 'up')
        seen = lab.expect_intent()
    for host in lab.hosts:
        wait_until(f'{host.name} is back', lambda: lab.intent.agent_is_alive(host.name))
    return seen


def link_failure(lab):
    """a host whose uplink fails is cut off alone and is reported, and all is as before when the link returns"""
    host = lab.hosts[-1]
    uplink = host.intfs[1].link
    return lab.lose(host, lambda: set_link(uplink, 'down'), lambda: set_link(uplink, 'up'))


def host_failure(lab):
    """a host that crashes is cut off alone and is reported, and all is as before when it has booted"""
    host = lab.hosts[-1]
    return lab.lose(host, host.crash, host.boot)


def set_link(link, state):
    for intf in (link.intf1, link.intf2):
        intf.node.cmd(f'ip link set {intf.name} {state}')


SCENARIOS = {
    'reachability': reachability,
    'router': router,
    'tcp': tcp,
    'migration': migration,
    'spine-failure': spine_failure,
    'link-failure': link_failure,
    'host-failure': host_failure,
}
