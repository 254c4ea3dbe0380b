// From a packet that a switch sent to the app whose flow sent it: what it answers and reports.
import type { Match } from '../ofproto/fields/match.ts'
import type { App, NeighbourNews, PacketIn, PacketOut, Reads, Report } from './app.ts'
import { appIn, objectDigitsIn } from './pipeline/cookie.ts'

/** A packet-in, from a switch or from a modelled one. */
export interface Punted {
  readonly host: string
  readonly cookie: bigint
  readonly metadata: PacketIn['metadata']
  readonly data: Uint8Array
}

export interface Handled {
  readonly packets: readonly PacketOut[]
  readonly report: Report | null
  readonly news: NeighbourNews | null
}

/** What an app is given. Few ask for the object, so it is spelt out when they do. */
class PuntedPacket implements PacketIn {
  readonly host: string
  readonly inPort: number
  readonly metadata: PacketIn['metadata']
  readonly data: Uint8Array
  readonly #cookie: bigint

  constructor({ host, cookie, metadata, data }: Punted, inPort: number) {
    this.host = host
    this.inPort = inPort
    this.metadata = metadata
    this.data = data
    this.#cookie = cookie
  }

  get origin(): string {
    return objectDigitsIn(this.#cookie)
  }
}

/** A packet-in's match, to be asked for the few fields that an app wants: a map would cost more than all of them. */
export class Metadata {
  readonly #match: Match

  constructor(match: Match) {
    this.#match = match
  }

  get(field: string): number | bigint | Uint8Array | undefined {
    return this.#match.find(({ kind }) => kind === field)?.value
  }
}

/** Null for what no app has asked for. Throws what an app throws, an Error with the app's name. */
export function packetHandler(apps: readonly App[], reads: Reads): (punted: Punted) => Handled | null {
  return (punted) => {
    const app = apps[appIn(punted.cookie) ?? -1]
    const inPort = punted.metadata.get('in_port_oxm')
    if (app === undefined || typeof inPort !== 'number') return null
    const packet = new PuntedPacket(punted, inPort)
    try {
      const packets = app.packetIn?.(reads, packet) ?? []
      const news = app.neighbourNews?.(reads, packet) ?? null
      return { packets, report: app.report?.(reads, packet) ?? null, news }
    } catch (error) {
      throw new Error(`${app.name} does not handle a packet`, { cause: error })
    }
  }
}
