"""Mininet's nodes for a data centre that Weft controls: switches of the underlay, compute hosts with an Open vSwitch each,
virtual machines and the controller."""

import os
import shutil
import tempfile
import time
from subprocess import DEVNULL, Popen
from urllib.error import URLError

from mininet.log import info
from mininet.node import Host, OVSBridge, RemoteController, Switch

from intent import Api, Intent

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
UNDERLAY = '192.168.50.'
PREFIX_LENGTH = 24
CONTROLLER_ADDRESS = UNDERLAY + '254'
SCHEMA = '/usr/share/openvswitch/vswitch.ovsschema'
PATIENCE = 20  # seconds; a busy machine is slow, a broken one stays broken


def wait_until(what, ready, patience=PATIENCE):
    """Waits until `ready()` is true and gives what it gave; raises with what was waited for."""
    deadline = time.monotonic() + patience
    while True:
        result = ready()
        if result:
            return result
        if time.monotonic() > deadline:
            raise TimeoutError(f'waited {patience} s in vain: {what}')
        time.sleep(0.1)


class Underlay(OVSBridge):
    """A leaf or a spine: an ordinary Ethernet switch. RSTP keeps the mesh free of loops and heals it when a link fails."""

    def __init__(self, name, **params):
        params.update(datapath='user', batch=False)
        OVSBridge.__init__(self, name, **params)

    def bridgeOpts(self):
        # 4 s is the least that 802.1D allows.
        return OVSBridge.bridgeOpts(self) + ' rstp_enable=true other_config:rstp-forward-delay=4'

    def intfOpts(self, intf):
        options = OVSBridge.intfOpts(self, intf)
        return options if intf.link is None or is_fabric(intf.link) else options + edge_options(intf)


class Spine(Underlay):
    """A spine; the first one's own port is the controller's place on the underlay."""

    def __init__(self, name, address=None, **params):
        self.address = address
        Underlay.__init__(self, name, **params)

    def start(self, controllers):
        Underlay.start(self, controllers)
        if self.address:
            self.cmd(f'ip addr add {self.address}/{PREFIX_LENGTH} dev {self.name}')
            self.cmd(f'ip link set {self.name} up')


def is_fabric(link):
    return all(isinstance(intf.node, Underlay) for intf in (link.intf1, link.intf2))


def edge_options(intf):
    return f' -- set Port {intf} other_config:rstp-port-admin-edge=true'


class ComputeHost(Switch):
    """A hypervisor: a namespace with its own ovsdb-server and ovs-vswitchd on the userspace datapath. It is a switch to
    Mininet, so that `pingall` and the like concern the virtual machines alone. Its first interface goes to a leaf.

    OVS's tools find the host's own daemons: `host1 ovs-vsctl show`, `host1 ovs-ofctl -O OpenFlow13 dump-flows br-int`."""

    def __init__(self, name, address=None, **params):
        self.address = address
        self.controlIntf = None
        run = f'/run/openvswitch/weft/{name}'
        shutil.rmtree(run, ignore_errors=True)
        params.update(inNamespace=True, privateDirs=[('/run/openvswitch', run)])
        Switch.__init__(self, name, **params)
        self.controller = None

    def start(self, controllers):
        self.controller = next(controller for controller in controllers if isinstance(controller, Weft))
        self.cmd(f'ovsdb-tool create /run/openvswitch/conf.db {SCHEMA}')
        self.boot()
        identity = {
            'system-id': self.name,
            'hostname': self.name,
            'weft-datapath-type': 'netdev',
            'weft-encap-ip': self.address,
        }
        self.vsctl('set Open_vSwitch .', *(f'external_ids:{key}={value}' for key, value in identity.items()))
        self.vsctl(f'set-manager tcp:{CONTROLLER_ADDRESS}:6640')

    @classmethod
    def batchStartup(cls, hosts):
        """Mininet calls it when every switch has started: now the hosts reach the controller over the underlay."""
        for host in hosts:
            for vm in host.vms():
                vm.create_port(host.controller.intent)
                vm.plug(host)
        for host in hosts:
            for vm in host.vms():
                vm.wait_until_active()
        return hosts

    def vms(self):
        """The virtual machines whose cable is plugged in at the start."""
        ends = [end for intf in self.intfList() if intf.link for end in (intf.link.intf1, intf.link.intf2)]
        return [end.node for end in ends if isinstance(end.node, Vm)]

    def boot(self):
        """Starts the daemons on the host's database and gives the tunnel's address to the bridge that owns the NIC."""
        run = '/run/openvswitch'
        daemon = '-vconsole:off --pidfile --detach --no-chdir'
        remotes = f'--remote=punix:{run}/db.sock --remote=db:Open_vSwitch,Open_vSwitch,manager_options'
        nic = self.intfs[1]
        self.cmd(f'ovsdb-server {run}/conf.db {remotes} {daemon} --log-file={run}/ovsdb-server.log')
        self.cmd('ovs-vsctl --no-wait init')
        self.cmd(f'ovs-vswitchd {daemon} --log-file={run}/ovs-vswitchd.log')
        self.vsctl('--may-exist add-br br-phy -- set bridge br-phy datapath_type=netdev -- --may-exist add-port br-phy', nic)
        self.cmd(f'ip addr add {self.address}/{PREFIX_LENGTH} dev br-phy')
        self.cmd('ip link set br-phy up')

    def crash(self):
        """The daemons die as when the power fails; the database stays on disk."""
        for daemon in ('ovs-vswitchd', 'ovsdb-server'):
            self.cmd(f'kill -KILL $(cat /run/openvswitch/{daemon}.pid); rm -f /run/openvswitch/{daemon}.pid')

    def vsctl(self, *args):
        return self.cmd('ovs-vsctl --timeout=20', *args).strip()

    def connected(self):
        return self.controller.intent.agent_is_alive(self.name)

    def stop(self, deleteIntfs=True):
        for daemon in ('ovs-vswitchd', 'ovsdb-server'):
            self.cmd(f'kill $(cat /run/openvswitch/{daemon}.pid)')
        Switch.stop(self, deleteIntfs)


class Vm(Host):
    """A virtual machine on the `network`-th network; its MAC is the one that Mininet gave to its interface."""

    def __init__(self, name, network=1, routed=False, **params):
        params.update(ip=None)
        Host.__init__(self, name, **params)
        self.network = network
        self.routed = routed
        self.host = None
        self.port = None
        self.intent = None

    @property
    def cable(self):
        """The interface at the host's end."""
        link = self.defaultIntf().link
        return (link.intf2 if link.intf1.node is self else link.intf1).name

    def create_port(self, intent):
        self.intent = intent
        self.port = intent.create_port(self.name, self.network, self.MAC())
        if self.routed and not intent.is_routed(self.network):
            intent.route(self.network)
        address = self.port['fixed_ips'][0]['ip_address']
        # The userspace datapath takes packets as they are: without a checksum they would be dropped.
        self.cmd(f'ethtool -K {self.defaultIntf()} tx off')
        self.cmd(f'ip link set {self.defaultIntf()} mtu {intent.network(self.network)["mtu"]}')
        self.setIP(address, int(intent.subnet(self.network)['cidr'].split('/')[1]))
        self.cmd(f'ip route replace default via {intent.subnet(self.network)["gateway_ip"]}')

    def plug(self, host):
        """Plugs the cable into the host's br-int, as libvirt does."""
        wait_until(f'Weft has made br-int on {host.name}', lambda: 'br-int' in host.vsctl('list-br').split())
        host.cmd(f'ip link set {self.cable} up')
        interface = f'set interface {self.cable} external_ids:iface-id={self.port["id"]}'
        host.vsctl('add-port br-int', self.cable, '--', interface)
        self.host = host

    def migrate(self, to):
        """Moves the cable to another host; what the machine runs goes on."""
        self.host.vsctl('--if-exists del-port br-int', self.cable)
        self.host.cmd(f'ip link set {self.cable} netns {to.pid}')
        self.plug(to)

    def is_active_on(self, host):
        port = self.intent.port(self.port['id'])
        return port['status'] == 'ACTIVE' and port['binding:host_id'] == host.name

    def wait_until_active(self):
        wait_until(f'{self.name} is active on {self.host.name}', lambda: self.is_active_on(self.host))


class Weft(RemoteController):
    """The Weft at 127.0.0.1:9696; when none answers there, one is started with a data folder that ends with it."""

    URL = 'http://127.0.0.1:9696'

    def __init__(self, name, **params):
        self.process = None
        self.data = None
        self.intent = Intent(Api(self.URL))
        RemoteController.__init__(self, name, **params)

    def checkListening(self):
        """Nothing to refuse: start() finds out whether one runs."""

    def answers(self):
        try:
            return self.intent.api('GET', '/healthz') is not None
        except (URLError, ConnectionError):
            if self.process is not None and self.process.poll() is not None:
                raise RuntimeError(f'weft serve has ended; its log is {self.log}') from None
            return False

    @property
    def log(self):
        return os.path.join(self.data, 'weft.log')

    def start(self):
        if self.answers():
            return
        self.data = tempfile.mkdtemp(prefix='weft-mininet-')
        binaries = os.path.join(ROOT, 'node_modules', '.bin')
        environment = {**os.environ, 'PATH': binaries + os.pathsep + os.environ['PATH']}
        # The kernel ends it with this process, however that ends.
        command = ['setpriv', '--pdeathsig', 'KILL', os.path.join(ROOT, 'bin', 'weft'), 'serve', '--data', self.data]
        with open(self.log, 'wb') as log:
            # In a session of its own: an interrupt from the keyboard is for what runs at Mininet's prompt.
            files = {'stdin': DEVNULL, 'stdout': log, 'stderr': log}
            self.process = Popen(command, env=environment, start_new_session=True, **files)
        wait_until('the API answers', self.answers)
        info(f'(weft serve, log in {self.log}) ')

    def stop(self, *args, **kwargs):
        if self.process is not None:
            self.process.terminate()
            self.process.wait(PATIENCE)
            shutil.rmtree(self.data, ignore_errors=True)
        RemoteController.stop(self, *args, **kwargs)
