// What the client's help offers and Weft does not have, with the reason. Each is tried all the same: it must be refused, and the
// refusal must name what is not there. An entry that works is one too many.

/** By the words that commands begin with. */
export const absentCommands: Readonly<Record<string, string>> = {
  'network auto allocated topology':
    'makes a router of a default external network and a default pool: a convenience of Neutron',
  'network flavor': 'there is one kind of router',
  'network l3 conntrack helper': 'FTP and TFTP are followed wherever security groups track them, without being told',
  'network log': 'rules of security groups have an attribute `log`',
  'network loggable resources': 'see network log',
  'network meter': 'counters of rules are under /v1/security-group-rules',
  'network onboard subnets': 'a subnet is of a pool from its creation, or not at all',
  'network rbac': 'networks, pools and scopes are shared with all projects (`shared`), or with none',
  'network segment range': 'VNIs and VLANs are of one range for all projects',
  'network service provider': 'there is one',
  'network subport': 'see network trunk',
  'network trunk': 'one port, one network',
}

/** By command and option: what the refusal must name, and the reason. */
export const refusedOptions: Readonly<Record<string, readonly [named: string, reason: string]>> = {
  'network create --transparent-vlan': ['vlan_transparent', 'an overlay carries frames of one network'],
  'network set --provider-network-type': ['provider:network_type', 'fixed at creation, as in Neutron'],
  'network set --provider-physical-network': ['provider:physical_network', 'fixed at creation, as in Neutron'],
  'network set --provider-segment': ['provider:segmentation_id', 'fixed at creation'],
  'subnet create --use-prefix-delegation': ['subnetpool_id', 'IPv6 is not routed, so nobody delegates prefixes'],
  'subnet list --service-type': ['service_types', 'this client has no such query and refuses it itself'],
  'port list --security-group': ['security_groups', 'this client has no such query and refuses it itself'],
  'port list --server': ['compute', 'the client asks Nova, of which there is none'],
  'router create --centralized': ['distributed', 'every host routes for its own ports'],
  'router set --centralized': ['distributed', 'every host routes for its own ports'],
}
