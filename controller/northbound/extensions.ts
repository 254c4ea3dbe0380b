// The extensions whose attributes and resources are there and do what they say; clients and suites skip the rest.
const names: Readonly<Record<string, string>> = {
  agent: 'agent',
  'allowed-address-pairs': 'Allowed Address Pairs',
  availability_zone: 'Availability Zone',
  binding: 'Port Binding',
  'dns-integration': 'DNS Integration',
  dvr: 'Distributed Virtual Router',
  'empty-string-filtering': 'Empty String Filtering Extension',
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
  'port-security': 'Port Security',
  'project-id': 'project_id field enabled',
  provider: 'Provider Network',
  quotas: 'Quota management support',
  quota_details: 'Quota details management support',
  'revision-if-match': 'If-Match constraints based on revision_number',
  router: 'Neutron L3 Router',
  router_availability_zone: 'Router Availability Zone',
  sorting: 'Sorting support',
  'standard-attr-description': 'standard-attr-description',
  'standard-attr-revisions': 'Resource revision numbers',
  'standard-attr-tag': 'Tag support for resources with standard attribute',
  'standard-attr-timestamp': 'Resource timestamps',
  'subnet-service-types': 'Subnet service types',
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
