// Weft in `groups`.
import type { Json } from '../lab/controller.ts'
import type { WeftSide } from './converge-weft.ts'
import { FIRST_PORT, remotes, type GroupSide } from './groups-side.ts'
import type { PlannedPort } from './topology.ts'

export class WeftGroups implements GroupSide<WeftSide> {
  readonly side: WeftSide
  #addresses = ''
  /** The rule whose action changes, and the one that comes and goes at place 1. */
  #changed = ''
  #first = ''

  constructor(side: WeftSide) {
    this.side = side
  }

  #rule(port: number, more: Json): Json {
    const numbers = { protocol: 'tcp', port_range_min: port, port_range_max: port }
    return { security_group_id: this.side.group, direction: 'ingress', ...numbers, ...more }
  }

  async fill(rules: number, addresses: readonly string[]): Promise<void> {
    const unlimited = { security_group_rule: -1 }
    await this.side.controller.call('PUT', '/v2.0/quotas/default', { quota: unlimited })
    this.#addresses = await this.side.create('address-group', { addresses })
    const remote = {
      group: { remote_group_id: this.side.group },
      addresses: { remote_address_group_id: this.#addresses },
      anywhere: {},
    }
    const bodies = Array.from({ length: rules }, (_, i) =>
      this.#rule(FIRST_PORT + i, { priority: i + 1, ...remote[remotes[i % remotes.length] ?? 'anywhere'] }),
    )
    const path = '/v2.0/security-group-rules?wait=realized'
    const made = (await this.side.controller.call('POST', path, { security_group_rules: bodies }))[
      'security_group_rules'
    ] as readonly Json[]
    this.#changed = made[0]?.['id'] as string
  }

  setRule(there: boolean): Promise<void> {
    return this.side.setRule(there)
  }

  async #put(path: string, body: Json): Promise<void> {
    await this.side.controller.call('PUT', `/v2.0/${path}?wait=realized`, body)
  }

  setAction(action: 'allow' | 'deny'): Promise<void> {
    return this.#put(`security-group-rules/${this.#changed}`, { security_group_rule: { action } })
  }

  async setFirst(there: boolean): Promise<void> {
    if (there) this.#first = await this.side.create('security-group-rule', this.#rule(23, { priority: 1 }), true)
    else await this.side.controller.call('DELETE', `/v2.0/security-group-rules/${this.#first}?wait=realized`)
  }

  setMember(port: PlannedPort, there: boolean): Promise<void> {
    return this.#put(`ports/${this.side.idOf(port)}`, { port: { security_groups: there ? [this.side.group] : [] } })
  }

  setAddress(address: string, there: boolean): Promise<void> {
    const path = `address-groups/${this.#addresses}/${there ? 'add' : 'remove'}_addresses`
    return this.#put(path, { addresses: [address] })
  }
}
