// Conntrack of the model against that of ovs-vswitchd's userspace datapath: the same packets, and what tables behind ct
// see of each: state, zone, mark, label, and the tuple of the first packet.
import { expect, test } from 'vitest'
import { toBits } from '../../ofproto/fields/bits.ts'
import type { Match } from '../../ofproto/fields/match.ts'
import type { AnyValue } from '../../ofproto/fields/table.ts'
import { ModelSwitch } from '../../controller/model/switch.ts'
import { plainPort } from '../../controller/model/tables.ts'
import { formatTrace } from '../../controller/model/trace.ts'
import { parseFlowMod } from '../../ofproto/messages/index.ts'
import { conversations, translatedPairs } from './conntrack-conversations.ts'
import { ModelLab } from './model-lab.ts'

const PORT = 1

/** Each packet is looked at behind ct of zone 5, where new connections are committed, and then behind ct of zone 6. */
const families = ['', '6'] as const
const flows = families.flatMap((six) => {
  const ip = `ip${six === '' ? '' : 'v6'}`
  const state = `table=1,ct_state=+new-rel+trk`
  const commit = (more: string): string => `ct(commit,zone=5${more}),ct(zone=5,table=2)`
  return [
    `${ip},actions=ct(zone=5,table=1)`,
    `priority=9,tcp${six},tp_dst=80,actions=ct(zone=5,table=1),ct_clear,ct(zone=6,table=3)`,
    `${state},${ip},priority=1,actions=controller,${commit(',exec(set_field:0x1234->ct_label)')}`,
    `${state},tcp${six},priority=2,tp_dst=80,actions=controller,${commit(',exec(set_field:0x7->ct_mark)')}`,
    `${state},tcp${six},priority=2,tp_dst=21,actions=controller,${commit(',alg=ftp,exec(load:1->NXM_NX_CT_MARK[8])')}`,
    `${state},udp${six},priority=2,tp_dst=69,actions=controller,${commit(',alg=tftp')}`,
    `table=1,ct_state=+new+rel+trk,${ip},priority=1,actions=controller,${commit('')}`,
    `table=1,ct_state=+rpl+est+trk,${ip},ct_mark=0x7,actions=controller,${commit(',exec(set_field:0x30/0xf0->ct_mark)')}`,
    `table=3,ct_state=+new+trk,tcp${six},actions=controller,ct(commit,force,zone=6)`,
  ]
})
/** In zone 7 two clients get the address 10.0.0.9, and what comes there finds them; then the packet is looked at again. */
const translating = [
  'ip,actions=ct(zone=7,nat,table=1)',
  'table=1,priority=2,ct_state=+new+trk,ip,nw_dst=10.0.0.2,actions=controller,ct(commit,zone=7,nat(src=10.0.0.9),table=2)',
  'table=1,priority=2,ct_state=+new+trk,ip,nw_dst=10.0.0.9,udp,tp_dst=3000,actions=ct(commit,zone=7,nat(dst=10.0.0.3),table=2)',
  'table=1,priority=2,ct_state=+inv+trk,ip,actions=controller,ct(zone=7,nat,table=2)',
  'table=1,priority=1,ip,actions=controller,ct(zone=7,table=2)',
  'table=2,actions=controller',
]

const rest = [
  'table=1,priority=0,actions=controller',
  'table=2,actions=controller',
  'table=3,priority=0,actions=controller',
]

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const entriesOf = (match: Match): (readonly [string, AnyValue])[] =>
  match.flatMap((entry) => (entry.kind === 'unknown' ? [] : [[entry.kind, entry.value] as const]))

/** Fields of the pipeline in a packet-in, zeros left out: OVS tells zeros of a tuple. */
const text = (entries: Iterable<readonly [string, AnyValue]>): string =>
  [...entries]
    .filter(([name, value]) => name.startsWith('ct_') && toBits(value) !== 0n)
    .map(([name, value]) => `${name}=${toBits(value).toString(16)}`)
    .toSorted()
    .join()

/** Both with the flows: sends packets through both, and compares what the controller gets. */
class Twins implements AsyncDisposable {
  readonly lab: ModelLab
  readonly model = new ModelSwitch()
  readonly states = new Set<AnyValue | undefined>()

  private constructor(lab: ModelLab) {
    this.lab = lab
  }

  static async start(texts: readonly string[]): Promise<Twins> {
    const twins = new Twins(await ModelLab.start([PORT], '198.18.72.1', []))
    const mods = texts.map((each) => parseFlowMod('add', each))
    await twins.lab.install(mods)
    await twins.lab.watch()
    twins.model.ports.set(PORT, plainPort)
    for (const each of mods) twins.model.addFlow(each)
    return twins
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.lab[Symbol.asyncDispose]()
  }

  async compare(bytes: Uint8Array): Promise<void> {
    const trace = this.model.trace({ bytes, inPort: PORT })
    await this.lab.receive({ bytes, inPort: PORT })
    const ours = trace.packetIns.map((each) => `${each.table} ${text(each.metadata)} ${hex(each.bytes)}`)
    const theirs = (await this.lab.punts(ours.length)).map(
      ({ table, match, data }) => `${table} ${text(entriesOf(match))} ${hex(data)}`,
    )
    const context = formatTrace(trace)
    expect({ packetIns: ours.toSorted(), context }).toEqual({ packetIns: theirs.toSorted(), context })
    for (const { metadata } of trace.packetIns) this.states.add(metadata.get('ct_state'))
  }
}

test.each([1, 2, 3, 4])('whatever is said, both find the same state, mark, label and tuple (seed %i)', async (seed) => {
  await using twins = await Twins.start([...flows, ...rest])
  for (const bytes of conversations(seed, 160)) await twins.compare(bytes)
  await twins.lab.install([{ kind: 'ct_flush_zone', xid: 0, zone: 5 }])
  twins.model.conntrack.flush(5)
  for (const bytes of conversations(seed, 40)) await twins.compare(bytes)
  expect(await twins.lab.punts(0)).toEqual([])
  // The conversations are worth the name only if they get somewhere.
  expect(twins.states.size).toBeGreaterThan(6)
})

test.each([1, 2, 3, 4])('both translate addresses and ports, in errors and fragments too (seed %i)', async (seed) => {
  await using twins = await Twins.start(translating)
  for (const bytes of conversations(seed, 160, translatedPairs)) await twins.compare(bytes)
  expect(await twins.lab.punts(0)).toEqual([])
  expect(twins.states.size).toBeGreaterThan(6)
})
