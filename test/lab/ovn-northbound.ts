// Intent for OVN, as Neutron's driver writes it: a standing connection to the northbound database, one transaction for a
// change, and nb_cfg raised in it to learn when every hypervisor has it (ovn-nb(5): NB_Global, hv_cfg).
import {
  boolean,
  database,
  dial,
  integer,
  map,
  oneOf,
  optional,
  ref,
  Replica,
  scalar,
  set,
  string,
  synchronize,
  Transaction,
  type Connection,
} from '../../ovsdb/index.ts'
import { until } from './run.ts'

const strings = map(string, string)

const Northbound = database('OVN_Northbound', {
  NB_Global: { nb_cfg: scalar(integer), hv_cfg: scalar(integer) },
  Logical_Switch: { name: scalar(string), ports: set(ref('Logical_Switch_Port')) },
  Logical_Switch_Port: {
    name: scalar(string),
    type: scalar(string),
    options: strings,
    addresses: set(string),
    port_security: set(string),
    up: optional(boolean),
    dhcpv4_options: optional(ref('DHCP_Options')),
  },
  Logical_Router: { name: scalar(string), ports: set(ref('Logical_Router_Port')) },
  Logical_Router_Port: { name: scalar(string), mac: scalar(string), networks: set(string, { min: 1 }) },
  DHCP_Options: { cidr: scalar(string), options: strings },
  Port_Group: { name: scalar(string), ports: set(ref('Logical_Switch_Port')), acls: set(ref('ACL')) },
  ACL: {
    priority: scalar(integer),
    direction: scalar(oneOf('from-lport', 'to-lport')),
    match: scalar(string),
    action: scalar(oneOf('allow-related', 'drop')),
  },
  Address_Set: { name: scalar(string), addresses: set(string) },
})
type Tables = (typeof Northbound)['tables']

export interface OvnPort {
  readonly name: string
  readonly mac: string
  readonly address: string
}

export interface OvnSubnet {
  readonly cidr: string
  readonly gateway: string
  readonly gatewayMac: string
}

/** Neutron's priorities. */
const priorities = { drop: 1001, allow: 1002 } as const
const GENEVE_MTU = 1442

export class OvnNorthbound {
  readonly #connection: Connection
  readonly #replica = new Replica(Northbound)
  #changed = Promise.withResolvers<void>()
  #sequence = 0

  private constructor(connection: Connection) {
    this.#connection = connection
  }

  static async open(remote: string): Promise<OvnNorthbound> {
    const northbound = new OvnNorthbound(await dial(remote, { probeMilliseconds: 0 }))
    await synchronize(northbound.#connection, northbound.#replica, {
      onChanges: () => {
        northbound.#changed.resolve()
        northbound.#changed = Promise.withResolvers()
      },
    })
    await until('ovn-northd has made its row', () => northbound.#replica.table('NB_Global').size === 1)
    return northbound
  }

  close(): void {
    this.#connection.close()
  }

  async #commit(change: (tx: Transaction<Tables>) => void): Promise<number> {
    const tx = new Transaction(Northbound)
    change(tx)
    tx.mutate('NB_Global', [], [['nb_cfg', '+=', 1]])
    const sequence = (this.#sequence += 1)
    const outcome = await this.#connection.transact(tx)
    if (outcome.kind === 'failed') throw new Error(JSON.stringify(outcome.error))
    return sequence
  }

  async #when(holds: () => boolean): Promise<void> {
    while (!holds()) await this.#changed.promise
  }

  /** All hypervisors have confirmed all that was written before. */
  async synchronized(): Promise<void> {
    await this.#commit(() => {})
    await this.confirmed()
  }

  /** The same, for what is written over this connection: each of its transactions asks for the confirmation. */
  async confirmed(): Promise<void> {
    const sequence = this.#sequence
    const confirmed = (): number => this.#replica.table('NB_Global').values().next().value?.hv_cfg ?? 0
    await this.#when(() => confirmed() >= sequence)
  }

  /** The ports are plugged in, and their hypervisors have confirmed them. */
  async up(names: Iterable<string>): Promise<void> {
    const wanted = new Set(names)
    await this.#when(() => {
      for (const { name, up } of this.#replica.table('Logical_Switch_Port').values()) {
        if (up === true) wanted.delete(name)
      }
      return wanted.size === 0
    })
  }

  async addNetwork(name: string, { cidr, gateway, gatewayMac }: OvnSubnet): Promise<void> {
    await this.#commit((tx) => {
      tx.insert('Logical_Switch', { name })
      const options = { server_id: gateway, server_mac: gatewayMac, lease_time: '43200', mtu: String(GENEVE_MTU) }
      tx.insert('DHCP_Options', { cidr, options: new Map(Object.entries({ ...options, router: gateway })) })
    })
  }

  async addPorts(network: string, { cidr }: OvnSubnet, ports: readonly OvnPort[], group?: string): Promise<void> {
    const dhcp = [...this.#replica.table('DHCP_Options').values()].find((row) => row.cidr === cidr)
    await this.#commit((tx) => {
      const rows = ports.map(({ name, mac, address }) => {
        const addresses = [`${mac} ${address}`]
        const dhcpv4_options = dhcp?._uuid ?? null
        return tx.insert('Logical_Switch_Port', { name, addresses, port_security: addresses, dhcpv4_options })
      })
      tx.mutate('Logical_Switch', [['name', '==', network]], [['ports', 'insert', rows]])
      if (group !== undefined) tx.mutate('Port_Group', [['name', '==', group]], [['ports', 'insert', rows]])
    })
  }

  async removePort(network: string, name: string): Promise<void> {
    const [row] = this.#portsNamed(name)
    await this.#commit((tx) => {
      tx.mutate('Logical_Switch', [['name', '==', network]], [['ports', 'delete', row ? [row] : []]])
    })
  }

  #portsNamed(name: string) {
    return [...this.#replica.table('Logical_Switch_Port').values()].flatMap((row) =>
      row.name === name ? [row._uuid] : [],
    )
  }

  async addRouter(name: string): Promise<void> {
    await this.#commit((tx) => tx.insert('Logical_Router', { name }))
  }

  async addInterface(router: string, network: string, { cidr, gateway, gatewayMac }: OvnSubnet): Promise<void> {
    const name = `${router}-${network}`
    await this.#commit((tx) => {
      const networks = [`${gateway}/${cidr.split('/')[1]}`]
      const outer = tx.insert('Logical_Router_Port', { name, mac: gatewayMac, networks })
      tx.mutate('Logical_Router', [['name', '==', router]], [['ports', 'insert', [outer]]])
      const options = new Map([['router-port', name]])
      const inner = { name: `${network}-${router}`, type: 'router', addresses: ['router'], options }
      const port = tx.insert('Logical_Switch_Port', inner)
      tx.mutate('Logical_Switch', [['name', '==', network]], [['ports', 'insert', [port]]])
    })
  }

  async removeInterface(router: string, network: string): Promise<void> {
    const outer = [...this.#replica.table('Logical_Router_Port').values()].flatMap((row) =>
      row.name === `${router}-${network}` ? [row._uuid] : [],
    )
    await this.#commit((tx) => {
      tx.mutate('Logical_Router', [['name', '==', router]], [['ports', 'delete', outer]])
      const inner = this.#portsNamed(`${network}-${router}`)
      tx.mutate('Logical_Switch', [['name', '==', network]], [['ports', 'delete', inner]])
    })
  }

  /** As Neutron's default security group: everything out, and in from members. */
  async addDefaultGroup(name: string): Promise<void> {
    await this.#addGroup(name)
    for (const version of ['ip4', 'ip6']) {
      await this.addRule(name, 'egress', version)
      await this.addRule(name, 'ingress', `${version} && ${version}.src == $${name}_${version}`)
    }
  }

  /** What no rule allows is dropped. */
  async #addGroup(name: string): Promise<void> {
    await this.#commit((tx) => {
      const drop = { action: 'drop', priority: priorities.drop } as const
      const acls = [
        tx.insert('ACL', { ...drop, direction: 'from-lport', match: `inport == @${name} && ip` }),
        tx.insert('ACL', { ...drop, direction: 'to-lport', match: `outport == @${name} && ip` }),
      ]
      tx.insert('Port_Group', { name, acls })
    })
  }

  /** `match`: beyond the ports of the group. */
  async addRule(group: string, direction: 'ingress' | 'egress', match: string): Promise<void> {
    await this.addRules(group, direction, [{ match, priority: priorities.allow }])
  }

  async addRules(
    group: string,
    direction: 'ingress' | 'egress',
    rules: readonly { readonly match: string; readonly priority: number }[],
  ): Promise<void> {
    await this.#commit((tx) => {
      const acls = rules.map(({ match, priority }) =>
        tx.insert('ACL', {
          direction: direction === 'egress' ? 'from-lport' : 'to-lport',
          match: ruleMatch(group, direction, match),
          action: 'allow-related',
          priority,
        }),
      )
      tx.mutate('Port_Group', [['name', '==', group]], [['acls', 'insert', acls]])
    })
  }

  async setAction(
    group: string,
    direction: 'ingress' | 'egress',
    match: string,
    action: 'allow-related' | 'drop',
  ): Promise<void> {
    await this.#commit((tx) => {
      tx.update('ACL', [['match', '==', ruleMatch(group, direction, match)]], { action })
    })
  }

  async setMember(group: string, port: string, there: boolean): Promise<void> {
    await this.#commit((tx) => {
      tx.mutate('Port_Group', [['name', '==', group]], [['ports', there ? 'insert' : 'delete', this.#portsNamed(port)]])
    })
  }

  async addAddressSet(name: string, addresses: readonly string[]): Promise<void> {
    await this.#commit((tx) => tx.insert('Address_Set', { name, addresses }))
  }

  async setAddress(name: string, address: string, there: boolean): Promise<void> {
    await this.#commit((tx) => {
      tx.mutate('Address_Set', [['name', '==', name]], [['addresses', there ? 'insert' : 'delete', [address]]])
    })
  }

  async removeRule(group: string, direction: 'ingress' | 'egress', match: string): Promise<void> {
    const whole = ruleMatch(group, direction, match)
    const acls = [...this.#replica.table('ACL').values()].flatMap((row) => (row.match === whole ? [row._uuid] : []))
    await this.#commit((tx) => {
      tx.mutate('Port_Group', [['name', '==', group]], [['acls', 'delete', acls]])
    })
  }
}

const ruleMatch = (group: string, direction: 'ingress' | 'egress', match: string): string =>
  `${direction === 'egress' ? 'inport' : 'outport'} == @${group} && ${match}`
