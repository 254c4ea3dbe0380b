"""A leaf–spine underlay with compute hosts on the leaves and virtual machines on the hosts."""

from mininet.topo import Topo

from nodes import CONTROLLER_ADDRESS, UNDERLAY, ComputeHost, Spine, Underlay, Vm


class LeafSpine(Topo):
    """`host1`… are dealt out over `leaf1`…, each of which has a link to every one of `spine1`… Machine n of each host is on
    network n, counted round over `networks`; the first `routed` networks have an interface of the router `r1`."""

    def build(self, leaves=2, spines=2, hosts=3, vms=2, networks=2, routed=2):
        for name, value in {'leaves': leaves, 'spines': spines, 'hosts': hosts, 'networks': networks}.items():
            if not 1 <= value <= 99:
                raise ValueError(f'{name}={value}: 1 to 99 are possible')
        for s in range(1, spines + 1):
            self.addSwitch(f'spine{s}', cls=Spine, dpid=f'{0x100 + s:x}', address=CONTROLLER_ADDRESS if s == 1 else None)
        for n in range(1, leaves + 1):
            self.addSwitch(f'leaf{n}', cls=Underlay, dpid=f'{0x200 + n:x}')
            for s in range(1, spines + 1):
                self.addLink(f'leaf{n}', f'spine{s}')
        for h in range(1, hosts + 1):
            self.addSwitch(f'host{h}', cls=ComputeHost, dpid=f'{0x300 + h:x}', address=f'{UNDERLAY}{h}')
            self.addLink(f'host{h}', f'leaf{(h - 1) % leaves + 1}')
            for v in range(vms):
                number = v % networks + 1
                vm = self.addHost(f'vm{(h - 1) * vms + v + 1}', cls=Vm, network=number, routed=number <= routed)
                self.addLink(vm, f'host{h}')
