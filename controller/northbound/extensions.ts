// The extensions whose attributes and resources are there and do what they say; clients and suites skip the rest.
const names: Readonly<Record<string, string>> = {
  'address-group': 'Address group',
  'address-scope': 'Address scope',
  agent: 'agent',
  'allowed-address-pairs': 'Allowed Address Pairs',
  availability_zone: 'Availability Zone',
  binding: 'Port Binding',
  'data-plane-status': 'Port data plane status',
  'default-subnetpools': 'Default Subnetpools',
  'dns-domain-ports': 'dns_domain for ports',
  'dns-integration': 'DNS Integration',
  dvr: 'Distributed Virtual Router',
  'empty-string-filtering': 'Empty String Filtering Extension',
  'ext-gw-mode': 'Neutron L3 Configurable external gateway mode',
  'external-net': 'Neutron external network',
  extra_dhcp_opt: 'Neutron Extra DHCP options',
  extraroute: 'Neutron Extra Route',
  'extraroute-atomic': 'Atomically add/remove extra routes',
  'filter-validation': 'Filter parameters validation',
  'ip-substring-filtering': 'IP address substring filtering',
  'net-mtu': 'Network MTU',
  'net-mtu-writable': 'Network MTU (writable)',
  'network-ip-availability': 'Network IP Availability',
  network_availability_zone: 'Network Availability Zone',
  pagination: 'Pagination support',
  'port-device-profile': 'Port device profile',
  'port-numa-affinity-policy': 'Port NUMA affinity policy',
  'port-security': 'Port Security',
  'port-security-groups-filtering': 'Port filtering on security groups',
  'project-id': 'project_id field enabled',
  provider: 'Provider Network',
  quotas: 'Quota management support',
  quota_details: 'Quota details management support',
  'revision-if-match': 'If-Match constraints based on revision_number',
  router: 'Neutron L3 Router',
  router_availability_zone: 'Router Availability Zone',
  'security-group': 'security-group',
  'security-groups-normalized-cidr': 'Normalized CIDR field for security group rules',
  'security-groups-remote-address-group': 'Remote address group id field for security group rules',
  sorting: 'Sorting support',
  'standard-attr-description': 'standard-attr-description',
  'standard-attr-revisions': 'Resource revision numbers',
  'standard-attr-tag': 'Tag support for resources with standard attribute',
  'standard-attr-timestamp': 'Resource timestamps',
  'stateful-security-group': 'Stateful security group',
  subnet_allocation: 'Subnet Allocation',
  'subnet-dns-publish-fixed-ip': 'Subnet DNS publish fixed IP',
  'subnet-service-types': 'Subnet service types',
  'uplink-status-propagation': 'Port uplink status propagation',
  // Ours: additive, so that a client that does not know them keeps its meaning.
  'weft-security-group-rule-order': 'Action, priority and enabled of security group rules, insert_rule',
  'weft-security-group-rule-log': 'Log of security group rules',
  'weft-security-group-rule-import': 'Export and import of security group rules',
  'weft-security-group-intra-group': 'Traffic between members of a security group can be denied',
  'weft-security-group-mandatory': 'Security groups that administrators impose on ports',
  'weft-port-security-group-bindings': 'Order of the security groups of a port',
  'weft-port-default-action': 'What happens to traffic of a port that no rule matches',
}

export interface Extension {
  readonly alias: string
  readonly name: string
  readonly description: string
  readonly updated: string
  readonly links: readonly string[]
}

export const extensions: readonly Extension[] = Object.entries(names).map(([alias, name]) => ({
  alias,
  name,
  description: name,
  updated: '2026-11-21T00:00:00-00:00',
  links: [],
}))
