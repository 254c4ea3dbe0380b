// Stages become OpenFlow tables. A phase says what a stage is for and so where it stands (docs/architecture.md §6); inside
// a phase the order of declaration counts. Tables that nobody declared do not exist, so ids have no gaps.
import type { MatchFields } from '../../ofproto/fields/build.ts'
import type { FieldName } from '../../ofproto/fields/table.ts'

/** In the order in which a packet meets them. */
const phases = [
  'classify',
  'security',
  'respond',
  'gateway',
  'egress',
  'forward',
  'route',
  'neighbour',
  'switch',
  'ingress',
  'output',
  // Only reached by resubmits of other stages.
  'lookup',
] as const
type Phase = (typeof phases)[number]

export interface Stage {
  readonly name: string
  readonly phase: Phase
  /** Where a packet goes that no flow matches: 'drop', 'next', or the name of a stage. */
  readonly miss: string
  /** Why a packet is dropped that no flow matches, for people. */
  readonly lost?: string
  /** The only fields that flows of this stage may match, beside what these require. */
  readonly matches: readonly FieldName[]
}

class LayoutError extends Error {
  override readonly name = 'LayoutError'
}

export interface Layout {
  readonly stages: readonly Stage[]
  /** The table of a stage; LayoutError if no app declares it. */
  table(stage: string): number
  /** The table after a stage; LayoutError after the last. */
  after(stage: string): number
  stage(name: string): Stage
}

export function layout(declared: readonly Stage[]): Layout {
  const stages = phases.flatMap((phase) => declared.filter((stage) => stage.phase === phase))
  const ids = new Map(stages.map(({ name }, id) => [name, id]))
  if (ids.size < stages.length) throw new LayoutError('two stages have one name')
  const table = (name: string): number => {
    const id = ids.get(name)
    if (id === undefined) throw new LayoutError(`no app declares the stage '${name}'`)
    return id
  }
  return {
    stages,
    table,
    after(name) {
      const id = table(name) + 1
      if (id >= stages.length) throw new LayoutError(`'${name}' is the last stage`)
      return id
    },
    stage: (name) => stages[table(name)] as Stage,
  }
}

/** Fields that say what kind of packet it is: any stage may match them, as others require them. */
const KIND_OF_PACKET: ReadonlySet<FieldName> = new Set(['eth_type', 'nw_proto'])

/** Throws LayoutError for a field that the stage does not declare. */
export function checkMatched(stage: Stage, match: MatchFields): void {
  for (const name in match) {
    if (!stage.matches.includes(name as FieldName) && !KIND_OF_PACKET.has(name as FieldName)) {
      throw new LayoutError(`stage '${stage.name}' does not declare a match on ${name}`)
    }
  }
}
