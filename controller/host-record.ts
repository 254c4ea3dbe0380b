// All that the fleet knows of one host.
import { createHash } from 'node:crypto'
import { NO_BUFFER, ports } from '../ofproto/messages/index.ts'
import { Announcements } from './announcements.ts'
import type { PacketOut } from './app.ts'
import type { Channel } from './connect/channel.ts'
import type { HostFacts } from './host/facts.ts'
import type { HostSession } from './host/session.ts'
import { outActions } from './packet-out.ts'
import type { Extent } from './switch/desired.ts'
import type { SwitchSession } from './switch/session.ts'

/** Agents are found by UUID; a system-id need not be one, so it is hashed into one (RFC 9562 §5.5, without a namespace). */
export function agentId(host: string): string {
  if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(host)) return host.toLowerCase()
  const hash = createHash('sha1').update(host).digest()
  hash[6] = ((hash[6] ?? 0) & 0x0f) | 0x50
  hash[8] = ((hash[8] ?? 0) & 0x3f) | 0x80
  return hash.toString('hex', 0, 16).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}

export class HostRecord {
  facts: HostFacts
  /** Its id in the API. */
  readonly agent: string
  readonly control: SwitchSession
  /** The facts from which flows are derived. */
  written: HostFacts | null = null
  session: HostSession | null = null
  channel: Channel | null = null
  /** When its switch was heard last, on the clock of performance.now(); never since the start: then. */
  switchHeard = performance.now()
  /** When the present connection of its database began; null while there is none. */
  connectedAt: Date | null = null
  readonly knownSince = new Date()
  heardAt: Date | null = null
  /** The newest revision that the switch has confirmed, and the newest one meant for it. */
  confirmed = 0
  desired = 0
  /** Things that an operator should look at, in words. */
  readonly alarms = new Map<string, string>()
  /** Called when what the switch has is known. */
  onCompared: (() => void) | null = null
  readonly announcements = new Announcements()

  /** Of a stage, on every host. */
  readonly #table: (stage: string) => number

  constructor(facts: HostFacts, control: SwitchSession, table: (stage: string) => number) {
    this.facts = facts
    this.agent = agentId(facts.id)
    this.control = control
    this.#table = table
  }

  get connected(): boolean {
    return this.session !== null
  }

  /** The switch is connected and has all that was last meant for it. */
  get current(): boolean {
    return this.channel !== null && this.control.state === 'ready' && this.confirmed >= this.desired
  }

  /** Time has passed; what is due is done, of audits what may be. */
  tick(now: number, mayAudit: Extent | null): void {
    this.control.tick(now, mayAudit)
    // A guest that hears where its gateway is now must find the flows in place.
    if (this.current) for (const packet of this.announcements.due(now)) this.send(packet)
  }

  send(packet: PacketOut): void {
    this.channel?.send({
      kind: 'packet_out',
      xid: this.channel.nextXid(),
      bufferId: NO_BUFFER,
      inPort: ports.controller,
      actions: outActions(packet, this.#table),
      data: packet.data,
    })
  }
}
