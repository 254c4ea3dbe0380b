// Layer 2: which network a packet is on, and where its destination is plugged in. On an overlay, known unicast goes
// straight to the one host; broadcast and multicast are copied to each host with a member (head-end replication). On a
// flat or VLAN network all that is not for a port here goes to the wire, once. What came from outside is copied to local
// ports only, never to a tunnel or a wire again.
import {
  l2Priorities,
  load,
  mac,
  mark,
  MARKS,
  NETWORK,
  OUTPORT,
  outputTo,
  set,
  SUBJECT,
  tag,
  type App,
  type Contribution,
  type Reads,
} from '../../controller/app.ts'
import { copiedHere, copiedThere, flooded, nowhere } from './flood.ts'
import { located, received, tunnelOf } from './tunnels.ts'
import { entered, left, disguised, wireOf } from './wires.ts'

/** What a plugged-in port sends is on its network and subject to its policy; what is for its MAC goes out there. */
function plugged(read: Reads, key: string): readonly Contribution[] {
  const vif = read.vif(key)
  const port = vif && read.port(vif.port)
  const network = port && read.network(port.network_id)
  if (!vif || !port?.admin_state_up || !network?.admin_state_up) return []
  const binding = read.binding(port.id)
  if (binding?.host !== vif.host || binding.ofport !== vif.ofport) return []
  const overlay = tunnelOf(network) !== null
  if (!overlay && wireOf(read, vif.host, network) === null) return []
  const onNetwork = tag(network.id)
  const policy = read.policy(port.id)
  return [
    {
      scope: { kind: 'host', host: vif.host },
      object: port.id,
      flows: [
        {
          stage: 'classify',
          priority: 100,
          // A tag of the guest's own would lead it to another VLAN of the wire.
          match: { in_port_oxm: vif.ofport, ...(!overlay && { vlan_vid: 0 }) },
          actions: [
            set(NETWORK, onNetwork),
            ...(policy === null ? [] : [set(SUBJECT, vif.ofport)]),
            ...(policy?.stateful ? [load(mark.stateful, 1)] : []),
          ],
          to: 'next',
        },
        {
          stage: 'l2',
          priority: l2Priorities.local,
          match: { [NETWORK]: onNetwork, eth_dst: mac(port.mac_address) },
          actions: [set(OUTPORT, vif.ofport)],
          to: 'next',
        },
      ],
    },
  ]
}

export const overlay: App = {
  name: 'overlay',
  stages: [
    {
      name: 'classify',
      phase: 'classify',
      miss: 'drop',
      lost: 'nothing that is up is plugged in there',
      matches: ['in_port_oxm', 'tun_id', 'vlan_vid'],
    },
    {
      name: 'l2',
      phase: 'switch',
      miss: 'drop',
      lost: 'no port that is plugged in has the MAC it is for',
      matches: [NETWORK, MARKS, 'eth_dst', 'arp_op', 'arp_tpa'],
    },
    { name: 'flood', phase: 'switch', miss: 'next', matches: [NETWORK, OUTPORT] },
    { name: 'output', phase: 'output', miss: 'drop', matches: [NETWORK, OUTPORT, 'eth_src'] },
    { name: 'wire_source', phase: 'lookup', miss: 'drop', matches: [NETWORK, 'eth_src', 'arp_spa', 'arp_sha'] },
  ],
  rules: [
    { over: 'vif', contribute: plugged },
    { over: 'network', contribute: received },
    { over: 'port', contribute: located },
    { over: 'network', contribute: flooded },
    { over: 'copy', contribute: copiedHere },
    { over: 'part', contribute: copiedThere },
    { over: 'network', contribute: entered },
    { over: 'network', contribute: left },
    { over: 'router_interface', contribute: disguised },
  ],
  constant: {
    flows: [
      nowhere,
      { stage: 'output', priority: 200, match: { [OUTPORT]: 0 }, actions: [] },
      { stage: 'output', priority: 100, match: {}, actions: [outputTo(OUTPORT)] },
    ],
  },
}
