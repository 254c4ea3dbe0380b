// One host's OVSDB connection: replicates what Weft reads, reports the facts whenever they change, and mends whatever
// differs from what Weft wants. A repair that the server refuses is tried again when the database changes or a while later.
import { OpenVSwitch, pick, Replica, synchronize, type Connection } from '../../ovsdb/index.ts'
import { factsOf, type HostFacts, type HostReplica } from './facts.ts'
import { mend } from './wanted.ts'

/** Tables and columns that Weft reads or writes. Statistics are left out: they would change every few seconds. */
const READ = pick(OpenVSwitch, {
  Open_vSwitch: ['bridges', 'external_ids', 'ovs_version'],
  Bridge: ['name', 'ports', 'controller', 'fail_mode', 'protocols', 'datapath_type', 'datapath_id', 'other_config'],
  Port: ['name', 'interfaces'],
  Interface: ['name', 'type', 'options', 'ofport', 'ofport_request', 'external_ids', 'mac_in_use', 'error'],
  Controller: ['target', 'is_connected'],
})

export interface HostEvents {
  facts(facts: HostFacts): void
  /** Something in the host's database was not as wanted and now is; the first time this is its set-up. */
  mended(facts: HostFacts, done: readonly string[]): void
  refused(facts: HostFacts, reason: string): void
  closed(reason: string): void
}

const RETRY_MILLISECONDS = 5_000

export class HostSession {
  readonly connection: Connection
  readonly #replica: HostReplica = new Replica(READ) as unknown as HostReplica
  readonly #controllerOf: (connection: Connection) => string
  readonly #events: HostEvents
  #facts: HostFacts | null = null
  #mending = false
  #retry: NodeJS.Timeout | undefined

  /** `controllerOf`: what br-int shall connect to, as seen from this connection. */
  constructor(connection: Connection, controllerOf: (connection: Connection) => string, events: HostEvents) {
    this.connection = connection
    this.#controllerOf = controllerOf
    this.#events = events
    void connection.closed.then((error) => {
      clearTimeout(this.#retry)
      events.closed(error.message)
    })
  }

  get facts(): HostFacts | null {
    return this.#facts
  }

  async start(): Promise<void> {
    await synchronize(this.connection, this.#replica as never, { onChanges: () => this.#changed() })
  }

  #changed(): void {
    const facts = factsOf(this.#replica, this.connection.remoteAddress ?? '127.0.0.1')
    if (facts === null) return
    this.#facts = facts
    this.#events.facts(facts)
    void this.#mend()
  }

  async #mend(): Promise<void> {
    const facts = this.#facts
    if (this.#mending || facts === null || this.connection.failure) return
    const repair = mend(this.#replica, facts, { controller: this.#controllerOf(this.connection) })
    if (repair === null) return
    this.#mending = true
    clearTimeout(this.#retry)
    try {
      const outcome = await this.connection.transact(repair.transaction)
      this.#mending = false
      if (outcome.kind === 'committed') {
        this.#events.mended(facts, repair.done)
        // The database may have changed in the meantime.
        void this.#mend()
      } else {
        this.#events.refused(facts, `${outcome.error.kind}: ${repair.done.join(', ')}`)
        this.#retry = setTimeout(() => void this.#mend(), RETRY_MILLISECONDS)
      }
    } catch {
      // The connection is gone; `closed` tells.
    } finally {
      this.#mending = false
    }
  }
}
