// OVN in `groups`: ACLs of a port group, with priorities far enough apart for what comes between.
import type { OvnNorthbound } from '../lab/ovn-northbound.ts'
import { GROUP, type OvnSide } from './converge-ovn.ts'
import { FIRST_PORT, remotes, type GroupSide } from './groups-side.ts'
import type { PlannedPort } from './topology.ts'

const ADDRESSES = 'listed'
const remote = {
  // OVN itself keeps the addresses of a port group.
  group: `ip4.src == $${GROUP}_ip4 && `,
  addresses: `ip4.src == $${ADDRESSES} && `,
  anywhere: '',
}

const ruleOn = (port: number, end: keyof typeof remote): string => `ip4 && ${remote[end]}tcp && tcp.dst == ${port}`

const HIGHEST = 30_000
const UNNUMBERED = ruleOn(22, 'anywhere')
const BEFORE_ALL = ruleOn(23, 'anywhere')

export class OvnGroups implements GroupSide<OvnSide> {
  readonly side: OvnSide

  constructor(side: OvnSide) {
    this.side = side
  }

  async #confirmed(change: (northbound: OvnNorthbound) => Promise<void>): Promise<void> {
    await change(this.side.northbound)
    await this.side.northbound.confirmed()
  }

  fill(rules: number, addresses: readonly string[]): Promise<void> {
    const acls = Array.from({ length: rules }, (_, i) => ({
      match: ruleOn(FIRST_PORT + i, remotes[i % remotes.length] ?? 'anywhere'),
      priority: HIGHEST - 10 * (i + 1),
    }))
    return this.#confirmed(async (northbound) => {
      await northbound.addAddressSet(ADDRESSES, addresses)
      await northbound.addRules(GROUP, 'ingress', acls)
    })
  }

  setRule(there: boolean): Promise<void> {
    return this.#confirmed((northbound) =>
      there ? northbound.addRule(GROUP, 'ingress', UNNUMBERED) : northbound.removeRule(GROUP, 'ingress', UNNUMBERED),
    )
  }

  setAction(action: 'allow' | 'deny'): Promise<void> {
    const ovnAction = action === 'allow' ? 'allow-related' : 'drop'
    return this.#confirmed((northbound) =>
      northbound.setAction(GROUP, 'ingress', ruleOn(FIRST_PORT, remotes[0]), ovnAction),
    )
  }

  setFirst(there: boolean): Promise<void> {
    return this.#confirmed((northbound) =>
      there
        ? northbound.addRules(GROUP, 'ingress', [{ match: BEFORE_ALL, priority: HIGHEST }])
        : northbound.removeRule(GROUP, 'ingress', BEFORE_ALL),
    )
  }

  setMember({ name }: PlannedPort, there: boolean): Promise<void> {
    return this.#confirmed((northbound) => northbound.setMember(GROUP, name, there))
  }

  setAddress(address: string, there: boolean): Promise<void> {
    return this.#confirmed((northbound) => northbound.setAddress(ADDRESSES, address, there))
  }
}
