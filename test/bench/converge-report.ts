// What `converge` measured of each side, and both beside each other.
import type { Usage } from './processes.ts'

export interface Measured {
  readonly side: string
  /** Milliseconds until all hosts had confirmed. */
  readonly times: Readonly<Record<string, number>>
  /** On one host, when everything is bound. */
  readonly flows: number
  /** OpenFlow messages to one host when everything was bound; a flow_mod in a bundle is one. */
  readonly messages: number
  /** The same when the controllers were started again. */
  readonly restartMessages: number
  /** By program: memory after everything was bound, and processor time for that. */
  readonly usage: ReadonlyMap<string, Usage>
}

const row = (name: string, ...cells: readonly string[]): void =>
  console.log(`  ${name.padEnd(44)}${cells.map((cell) => cell.padStart(14)).join('')}`)

const fixed = (value: number): string => value.toFixed(value < 100 ? 1 : 0)

export function printConvergence(weft: Measured, ovn: Measured): void {
  row('', weft.side, ovn.side, 'ratio')
  const compare = (name: string, a: number, b: number): void => row(name, fixed(a), fixed(b), (b / a).toFixed(1))
  for (const [name, time] of Object.entries(weft.times)) compare(`${name}, ms`, time, ovn.times[name] ?? Number.NaN)
  compare('flows on a host', weft.flows, ovn.flows)
  compare('OpenFlow messages to a host', weft.messages, ovn.messages)
  compare('OpenFlow messages to a host after a restart', weft.restartMessages, ovn.restartMessages)
  for (const { side, usage } of [weft, ovn]) {
    for (const [name, { processes, bytes, seconds }] of usage) {
      const each = (bytes / processes / 2 ** 20).toFixed(0)
      row(`${side}: ${processes} ${name}`, `${each} MiB each`, `${seconds.toFixed(2)} s in all`)
    }
  }
}
