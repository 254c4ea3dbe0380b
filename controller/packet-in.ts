// From a packet that a switch sent to the app whose flow sent it: what it answers and reports.
import type { App, NeighbourNews, PacketIn, PacketOut, Reads, Report } from './app.ts'
import { originOf } from './pipeline/cookie.ts'

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

/** Null for what no app has asked for. Throws what an app throws, an Error with the app's name. */
export function packetHandler(apps: readonly App[], reads: Reads): (punted: Punted) => Handled | null {
  const names = apps.map(({ name }) => name)
  return ({ host, cookie, metadata, data }) => {
    const origin = originOf(cookie, names)
    const app = apps.find(({ name }) => name === origin?.app)
    const inPort = metadata.get('in_port_oxm')
    if (origin === null || app === undefined || typeof inPort !== 'number') return null
    const packet: PacketIn = { host, inPort, origin: origin.object, metadata, data }
    try {
      const packets = app.packetIn?.(reads, packet) ?? []
      const news = app.neighbourNews?.(reads, packet) ?? null
      return { packets, report: app.report?.(reads, packet) ?? null, news }
    } catch (error) {
      throw new Error(`${app.name} does not handle a packet`, { cause: error })
    }
  }
}
