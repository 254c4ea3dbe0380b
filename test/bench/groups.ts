// `npm run bench -- groups [hosts=N] [ports=N] [rules=N] [addresses=N] [rounds=N] [seconds=N]`: one security group that all
// ports are in, with rules that refer to it and to an address group: how long until all hosts have a change, and what they
// are sent for it; beside OVN, with the same intent on the same kind of hosts (converge.ts).
import type { DummyHost } from '../lab/dummy-hosts.ts'
import { OvnSide } from './converge-ovn.ts'
import type { Side } from './converge-side.ts'
import { WeftSide } from './converge-weft.ts'
import { OvnGroups } from './groups-ovn.ts'
import type { GroupSide } from './groups-side.ts'
import { WeftGroups } from './groups-weft.ts'
import type { Sizes } from './main.ts'
import { median, quantile, timed } from './statistics.ts'
import type { PlannedPort, Topology } from './topology.ts'
import { bind, flowsOn, trial } from './trial.ts'

/** `ports` and `addresses`: in all; `seconds`: when a side begins no other round. */
const defaults = { hosts: 10, ports: 1000, rules: 100, addresses: 1000, rounds: 20, seconds: 30 }
/** Both sides make them with the group: everything out, and in from members, of both families. */
const GROUPS_OWN_RULES = 4

type Step = readonly [name: string, change: () => Promise<void>]
interface Cost {
  readonly milliseconds: number[]
  /** By round and host. */
  readonly messages: number[]
}
interface Measured {
  readonly name: string
  readonly costs: ReadonlyMap<string, Cost>
}

/** Each undoes what one before it did, so that all rounds are alike. */
function stepsOf(groups: GroupSide, member: PlannedPort, address: string): readonly Step[] {
  return [
    ['rule added', () => groups.setRule(true)],
    ['rule removed', () => groups.setRule(false)],
    ['rule changed to deny', () => groups.setAction('deny')],
    ['rule changed to allow', () => groups.setAction('allow')],
    ['rule inserted at place 1', () => groups.setFirst(true)],
    ['rule removed from place 1', () => groups.setFirst(false)],
    ['member leaves', () => groups.setMember(member, false)],
    ['member joins', () => groups.setMember(member, true)],
    ['address added', () => groups.setAddress(address, true)],
    ['address removed', () => groups.setAddress(address, false)],
  ]
}

async function measure<S extends Side>(
  groups: GroupSide<S>,
  hosts: readonly DummyHost[],
  topology: Topology,
  { rules, addresses, rounds, seconds }: typeof defaults,
): Promise<Measured> {
  const { side } = groups
  const ports = topology.networks.flatMap((network) => network.ports)
  await side.build(topology)
  await bind(side, hosts, ports)
  await side.bound(ports)
  const without = await flowsOn(hosts)
  const listed = Array.from({ length: addresses + 1 }, (_, i) => `198.18.${i >> 8}.${i & 255}`)
  const filled = await timed(() => groups.fill(rules - GROUPS_OWN_RULES, listed.slice(1)))
  const steps = stepsOf(groups, ports[0] as PlannedPort, listed[0] as string)
  const costs = new Map(steps.map(([name]): [string, Cost] => [name, { milliseconds: [], messages: [] }]))
  const received = (): Promise<number[]> => Promise.all(hosts.map((host) => host.received()))
  const end = performance.now() + seconds * 1000
  let before = await received()
  let done = 0
  for (; done < rounds && (done === 0 || performance.now() < end); done += 1) {
    for (const [name, change] of steps) {
      const milliseconds = await timed(change)
      const after = await received()
      costs.get(name)?.milliseconds.push(milliseconds)
      costs.get(name)?.messages.push(...after.map((count, i) => count - (before[i] ?? 0)))
      before = after
    }
  }
  const all = await flowsOn(hosts)
  const more = `${all - without} more than without the rules`
  console.log(`  ${side.name}: ${done} rounds; all rules after ${fixed(filled)} ms; ${all} flows on a host, ${more}`)
  return { name: side.name, costs }
}

const row = (name: string, ...cells: readonly (string | number)[]): void =>
  console.log(`  ${name.padEnd(28)}${cells.map((cell) => String(cell).padStart(13)).join('')}`)

const fixed = (value: number): string => value.toFixed(value < 100 ? 1 : 0)

function print(weft: Measured, ovn: Measured): void {
  row('', `${weft.name}, ms`, 'p99', `${ovn.name}, ms`, 'p99', 'ratio', 'messages', ovn.name)
  for (const [name, cost] of weft.costs) {
    const other = ovn.costs.get(name) as Cost
    const [a, b] = [median(cost.milliseconds), median(other.milliseconds)]
    const [aLast, bLast] = [quantile(cost.milliseconds, 0.99), quantile(other.milliseconds, 0.99)]
    const times = [fixed(a), fixed(aLast), fixed(b), fixed(bLast), (b / a).toFixed(1)]
    row(name, ...times, median(cost.messages), median(other.messages))
  }
}

export async function run(sizes: Sizes): Promise<void> {
  const size = { ...defaults, ...sizes }
  const { hosts, ports, rules, addresses, rounds } = size
  console.log(
    `groups: ${hosts} hosts, ${ports} ports in a group of ${rules} rules, ${addresses} addresses in an address group; up to ${rounds} rounds`,
  )
  const cloud = { hosts, networks: 1, ports, spare: 0 }
  const weft = await trial(
    cloud,
    (all) => WeftSide.start(all),
    (side, ...rest) => measure(new WeftGroups(side), ...rest, size),
  )
  const ovn = await trial(
    cloud,
    (all) => OvnSide.start(all),
    (side, ...rest) => measure(new OvnGroups(side), ...rest, size),
  )
  print(weft, ovn)
}
