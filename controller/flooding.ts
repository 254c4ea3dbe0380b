// Which hosts get a copy of what is flooded on a network: those with its ports, or with such of its ports as listen to all
// that is for no known port. A network may be on thousands of hosts, so they are in parts, by a hash of their names: one
// that comes or goes changes its own part. Part of the dataflow (derivation.ts).
import type { Audience, Copy, Part, Reads } from './app.ts'
import type { Engine, KeySource, RowSource } from './engine/index.ts'

/** Hosts of a part, on the average at most: as many flows are made anew when one of them comes or goes. */
const PART_SIZE = 16

/** A port where it is plugged in, as far as flooding goes. */
interface Listener {
  readonly network: string
  readonly host: string
  readonly listens: boolean
}

// Keys: of a copy `audience network host`, of a flood `audience network`, of a part `audience network number`. The ids of
// networks are UUIDs; names of hosts come last, as they may have blanks.
const floodKey = (audience: Audience, network: string): string => `${audience} ${network}`
const floodOf = (key: string): string => key.slice(0, key.indexOf(' ', key.indexOf(' ') + 1))

export function copyOf(key: string): Copy {
  const flood = floodOf(key)
  const [audience, network] = flood.split(' ') as [Audience, string]
  return { audience, network, host: key.slice(flood.length + 1) }
}

function partOf(key: string): Omit<Part, 'hosts'> {
  const [audience, network, number] = key.split(' ') as [Audience, string, string]
  return { audience, network, number: Number(number) }
}

/** FNV-1a, 32 bits. */
function hash(text: string): number {
  let bits = 0x811c_9dc5
  for (let i = 0; i < text.length; i += 1) bits = Math.imul(bits ^ text.charCodeAt(i), 0x0100_0193)
  // The low bits of similar names are alike.
  return (bits ^ (bits >>> 15)) >>> 0
}

interface Flooding {
  readonly reads: Pick<Reads, 'part' | 'partsOf'>
  readonly copies: KeySource<string>
  readonly parts: KeySource<string>
}

export function connectFlooding(engine: Engine, places: RowSource<string, Listener>): Flooding {
  const copies = engine.grouping('copies', places, ({ network, host, listens }) =>
    (listens ? (['all', 'listening'] as const) : (['all'] as const)).map(
      (audience) => `${floodKey(audience, network)} ${host}`,
    ),
  )
  const copiesOf = engine.grouping('copies of flood', copies, (_, copy) => [floodOf(copy)])
  /** A power of two, so that a part stays as it is, or two become one, or one two. */
  const count = engine.query(
    'count of parts',
    (flood: string) => 2 ** Math.ceil(Math.log2(Math.max(1, copiesOf.get(flood).length / PART_SIZE))),
  )
  const partsOfCopies = engine.derivedTable('part of copy', copies, (key: string) => {
    const flood = floodOf(key)
    return `${flood} ${hash(key.slice(flood.length + 1)) % count.get(flood)}`
  })
  const parts = engine.grouping('copies in part', partsOfCopies, (part) => [part])
  const partsOf = engine.grouping('parts of flood', parts, (_, part) => [floodOf(part)])
  const part = engine.query('part', (key: string): Part => ({
    ...partOf(key),
    hosts: parts.get(key).map((copy) => copyOf(copy).host),
  }))
  const numbers = engine.query('parts', (flood: string): readonly number[] =>
    partsOf
      .get(flood)
      .map((key) => partOf(key).number)
      .toSorted((a, b) => a - b),
  )
  return {
    reads: {
      part: (key) => part.get(key),
      partsOf: (audience, network) => numbers.get(floodKey(audience, network)),
    },
    copies,
    parts,
  }
}
