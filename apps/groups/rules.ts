// The rules of a security group as flows. Rules are asked in runs: a run knows up to 32 sets by one bit each, which is
// enough for nearly all groups. Inside a run OpenFlow's priorities are the order of the rules, whatever their remote
// ends, as a set is one bit for all its members.
import {
  directions,
  GROUP,
  HITS,
  load,
  mark,
  marked,
  MARKS,
  remoteSetOf,
  resubmit,
  set,
  SET,
  tag,
  verdicts,
  type Contribution,
  type FlowAction,
  type FlowSpec,
  type Reads,
  type SecurityGroup,
  type SecurityGroupRule,
} from '../../controller/app.ts'
import { logged } from './log.ts'
import { matchesOf, newSession } from './match.ts'

type Direction = keyof typeof directions

const RUN_SETS = 32
/** Two for each rule: the second is for the first packet of a session. */
const priorities = { intraGroup: 65_000, numbered: 64_000, deny: 300, reject: 200, allow: 100 } as const

/** Rules that are asked together, and the sets that they refer to, each with its bit. */
interface Run {
  readonly sets: Map<string, number>
  readonly rules: SecurityGroupRule[]
}

/** Ranks have gaps, so that a rule's priority stays when others come and go. */
const priorityOf = ({ priority, rank, action }: SecurityGroupRule): number =>
  priority === null ? priorities[action] : priorities.numbered - 2 * (rank ?? priority)

/**
 * A free bit for a set. Where it stands follows from its id as far as possible, so that other sets which come and go seldom
 * move it, and with it the flows of its rules.
 */
function bitFor(id: string, taken: ReadonlyMap<string, number>): number {
  const used = new Set(taken.values())
  let bit = Number(tag(id) % BigInt(RUN_SETS))
  while (used.has(bit)) bit = (bit + 1) % RUN_SETS
  return bit
}

function runsOf(rules: readonly SecurityGroupRule[], own: string | null): Run[] {
  const start = (): Run => ({ sets: new Map(), rules: [] })
  let run = start()
  if (own !== null) run.sets.set(own, bitFor(own, run.sets))
  const runs = [run]
  for (const rule of rules.toSorted((a, b) => priorityOf(b) - priorityOf(a) || (a.id < b.id ? -1 : 1))) {
    const remote = remoteSetOf(rule)
    if (remote !== null && !run.sets.has(remote)) {
      if (run.sets.size === RUN_SETS) runs.push((run = start()))
      run.sets.set(remote, bitFor(remote, run.sets))
    }
    run.rules.push(rule)
  }
  return runs
}

/** Which of a group's flows are asked for a direction: of the connection, or, without a state, of the packet. */
const asked = (group: SecurityGroup, direction: Direction, run: number): readonly [number, number] =>
  marked(group.stateful ? { direction: directions[direction], run } : { towards: directions[direction], run })

const lookUp = (id: string, bit: number): FlowAction[] => [
  set(SET, tag(id)),
  load(mark.hit, 0),
  resubmit('members'),
  { kind: 'move', source: mark.hit, target: { field: HITS, start: bit, bits: 1 } },
]

/** Asks a run of a group's rules, and the next run if that has no answer. */
function entry(group: SecurityGroup, direction: Direction, runs: readonly Run[], index: number): FlowSpec {
  const { sets } = runs[index] as Run
  const [marks, mask] = asked(group, direction, index)
  const [verdict, verdictMask] = marked({ verdict: verdicts.none })
  const lookUps = Array.from(sets, ([id, bit]) => lookUp(id, bit)).flat()
  return {
    stage: 'group',
    priority: 100,
    match: { [GROUP]: tag(group.id), [MARKS]: [marks | verdict, mask | verdictMask] },
    actions: [
      ...(sets.size === 0
        ? []
        : [load(mark.byPacket, group.stateful ? 0 : 1), set(HITS, 0), resubmit('remote'), ...lookUps]),
      resubmit('rules'),
      ...(index + 1 < runs.length ? [load(mark.run, index + 1), resubmit('group')] : []),
      ...(index > 0 ? [load(mark.run, 0)] : []),
    ],
  }
}

function flowsOf(group: SecurityGroup, rule: SecurityGroupRule, run: Run, index: number): FlowSpec[] {
  const remote = remoteSetOf(rule)
  const bit = remote === null ? undefined : run.sets.get(remote)
  const on = {
    [GROUP]: tag(group.id),
    [MARKS]: asked(group, rule.direction, index),
    ...(bit !== undefined && { [HITS]: [(1 << bit) >>> 0, (1 << bit) >>> 0] as const }),
  }
  const priority = priorityOf(rule)
  const decide = load(mark.verdict, verdicts[rule.action])
  const flow = (at: number, match: FlowSpec['match'], isLogged: boolean): FlowSpec => ({
    stage: 'rules',
    priority: at,
    match: { ...on, ...match },
    actions: isLogged && rule.log ? [logged, decide] : [decide],
  })
  return matchesOf(rule, group.stateful).flatMap((match) => {
    const session = group.stateful ? newSession(match) : null
    return session === null
      ? [flow(priority, match, true)]
      : [flow(priority, match, false), flow(priority + 1, session, true)]
  })
}

/** Traffic between two members, where the group does not want it. */
function separation(group: SecurityGroup, direction: Direction, { sets }: Run): FlowSpec[] {
  const bit = group.intra_group ? undefined : sets.get(group.id)
  if (bit === undefined) return []
  return [
    {
      stage: 'rules',
      priority: priorities.intraGroup,
      match: {
        [GROUP]: tag(group.id),
        [MARKS]: asked(group, direction, 0),
        [HITS]: [(1 << bit) >>> 0, (1 << bit) >>> 0],
      },
      actions: [load(mark.verdict, verdicts.deny)],
    },
  ]
}

export function ruled(read: Reads, id: string): readonly Contribution[] {
  const group = read.securityGroup(id)
  if (group === undefined) return []
  const scope = { kind: 'group', group: id } as const
  const rules = read.rulesOf(id).flatMap((rule) => read.securityGroupRule(rule) ?? [])
  const own: FlowSpec[] = []
  const contributions: Contribution[] = []
  for (const direction of ['ingress', 'egress'] as const) {
    const asking = rules.filter((rule) => rule.enabled && rule.direction === direction)
    const runs = runsOf(asking, group.intra_group ? null : id)
    own.push(...runs.map((_, i) => entry(group, direction, runs, i)), ...separation(group, direction, runs[0] as Run))
    for (const [i, run] of runs.entries()) {
      for (const rule of run.rules) {
        contributions.push({ scope, object: rule.id, flows: flowsOf(group, rule, run, i) })
      }
    }
  }
  return [{ scope, flows: own }, ...contributions]
}
