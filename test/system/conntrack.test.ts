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
import { conversations } from './conntrack-conversations.ts'
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

test.each([1, 2, 3, 4])('whatever is said, both find the same state, mark, label and tuple (seed %i)', async (seed) => {
  await using lab = await ModelLab.start([PORT], '198.18.72.1', [])
  const mods = [...flows, ...rest].map((each) => parseFlowMod('add', each))
  await lab.install(mods)
  await lab.watch()
  const model = new ModelSwitch()
  model.ports.set(PORT, plainPort)
  for (const each of mods) model.addFlow(each)
  const states = new Set<AnyValue | undefined>()
  const compare = async (bytes: Uint8Array): Promise<void> => {
    const trace = model.trace({ bytes, inPort: PORT })
    await lab.receive({ bytes, inPort: PORT })
    const ours = trace.packetIns.map((each) => `${each.table} ${text(each.metadata)} ${hex(each.bytes)}`)
    const theirs = (await lab.punts(ours.length)).map(
      ({ table, match, data }) => `${table} ${text(entriesOf(match))} ${hex(data)}`,
    )
    const context = formatTrace(trace)
    expect({ packetIns: ours.toSorted(), context }).toEqual({ packetIns: theirs.toSorted(), context })
    for (const { metadata } of trace.packetIns) states.add(metadata.get('ct_state'))
  }
  for (const bytes of conversations(seed, 160)) await compare(bytes)
  await lab.install([{ kind: 'ct_flush_zone', xid: 0, zone: 5 }])
  model.conntrack.flush(5)
  for (const bytes of conversations(seed, 40)) await compare(bytes)
  expect(await lab.punts(0)).toEqual([])
  // The conversations are worth the name only if they get somewhere.
  expect(states.size).toBeGreaterThan(6)
})
