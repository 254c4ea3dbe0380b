// `npm run bench -- ofproto`: the OpenFlow codec beside os-ken (Debian's python3-os-ken) with the same messages in the
// same run. Medians; a message of ours is decoded to its last field, as one of os-ken's is.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseMatch } from '../../ofproto/fields/match-text.ts'
import { formatFlowMod, parseFlowMod } from '../../ofproto/messages/flow-text.ts'
import type { FlowStats } from '../../ofproto/messages/flow.ts'
import { decodeMessage, encodeMessage, writeMessage, type Message } from '../../ofproto/messages/index.ts'
import { formatMessage } from '../../ofproto/messages/print.ts'
import { Framer } from '../../ofproto/session/framer.ts'
import { Writer } from '../../ofproto/wire/writer.ts'

const flowText =
  'cookie=0x1234,table=3,priority=100,in_port=1,tcp,nw_src=10.0.0.0/8,nw_dst=192.168.1.7,tp_dst=80 ' +
  'actions=set_field:0a:00:00:00:00:01->eth_dst,dec_ttl,output:2'
const flowMod = { ...parseFlowMod('add', flowText), xid: 7 }

const packetIn = (size: number): Message => ({
  kind: 'packet_in',
  xid: 0,
  bufferId: 0xffff_ffff,
  totalLength: size,
  reason: 1,
  table: 3,
  cookie: 0x1234n,
  match: parseMatch('in_port=1'),
  data: Uint8Array.from({ length: size }, (_, i) => i & 0xff),
})

const flowStats = (count: number): Message => {
  const flow: FlowStats = {
    table: 3,
    durationSeconds: 12,
    durationNanoseconds: 345_000_000,
    priority: 100,
    idleTimeoutSeconds: 0,
    hardTimeoutSeconds: 0,
    flags: 0,
    cookie: 0x1234n,
    packets: 5n,
    bytes: 600n,
    match: flowMod.match,
    instructions: flowMod.instructions,
  }
  const flows = Array.from({ length: count }, () => flow)
  return { kind: 'multipart_reply', xid: 9, more: true, body: { kind: 'flow', flows } }
}

const echo: Message = { kind: 'echo_request', version: 4, xid: 3, data: new Uint8Array(0) }
const removed: Message = {
  kind: 'flow_removed',
  xid: 0,
  cookie: 1n,
  priority: 100,
  reason: 0,
  table: 3,
  durationSeconds: 1,
  durationNanoseconds: 0,
  idleTimeoutSeconds: 5,
  hardTimeoutSeconds: 0,
  packets: 9n,
  bytes: 900n,
  match: flowMod.match,
}

/** Messages as they come from a socket, in chunks of 64 KiB. */
const stream = (messages: readonly Message[], times: number): Uint8Array => {
  const frames = messages.map(encodeMessage)
  return new Uint8Array(Buffer.concat(Array.from({ length: times }, () => frames).flat()))
}
const big = packetIn(1400)
const FLOWS_PER_MESSAGE = 300
const FLOW_MESSAGES = 334
const streams = {
  'packet_in of 1,400 bytes': stream([big], 1500),
  'mixed (10 packet_in of 1,400 bytes, 2 echo, 2 flow_removed)': stream(
    [...Array.from({ length: 5 }, () => [big, big]).flat(), echo, removed, echo, removed],
    150,
  ),
  '100,200 flow stats': stream([flowStats(FLOWS_PER_MESSAGE)], FLOW_MESSAGES),
}

const CHUNK = 65_536

function decodeStream(bytes: Uint8Array): number {
  const framer = new Framer()
  let sum = 0
  for (let at = 0; at < bytes.length; at += CHUNK) {
    framer.push(bytes.subarray(at, at + CHUNK))
    while (framer.next()) sum += decodeMessage(framer.bytes, framer.start, framer.end).xid
  }
  return sum
}

/** What the work gives is added here, so that none of it can be left out. */
let sink = 0

/** The median of `samples` rounds of `count` runs, in nanoseconds a run. */
function median(work: () => number, count: number, samples = 15): number {
  for (let i = 0; i < count; i += 1) sink += work()
  const times: number[] = []
  for (let sample = 0; sample < samples; sample += 1) {
    const start = process.hrtime.bigint()
    for (let i = 0; i < count; i += 1) sink += work()
    times.push(Number(process.hrtime.bigint() - start) / count)
  }
  return times.sort((a, b) => a - b)[samples >> 1] as number
}

interface OsKen {
  readonly flow_mod: number
  readonly packet_in: number
  readonly streams: Readonly<Record<string, number>>
  readonly bytes: string
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

function osKen(packet: Uint8Array): OsKen {
  const script = fileURLToPath(new URL('ofproto-os-ken.py', import.meta.url))
  // os-ken needs seconds for what it gets: a tenth of each stream will do, scaled below.
  const given = {
    packet_in: hex(packet),
    streams: Object.fromEntries(Object.entries(streams).map(([k, v]) => [k, hex(sampleOf(v))])),
  }
  const result = spawnSync('/usr/bin/python3', [script], {
    input: JSON.stringify(given),
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  })
  if (result.status !== 0) throw new Error(`os-ken: ${result.stderr}`)
  return JSON.parse(result.stdout) as OsKen
}

/** The first whole messages of a stream, a few hundred kilobytes of them. */
function sampleOf(bytes: Uint8Array): Uint8Array {
  const framer = new Framer()
  framer.push(bytes)
  let end = 0
  while (end < 200_000 && framer.next()) end = framer.end
  return bytes.subarray(0, end)
}

const duration = (ns: number): string =>
  ns < 10_000 ? `${ns.toFixed(0)} ns` : ns < 10_000_000 ? `${(ns / 1000).toFixed(0)} µs` : `${(ns / 1e6).toFixed(0)} ms`

function row(what: string, ours: string, theirs = '', ratio: number | null = null): void {
  const last = ratio === null ? '' : `${ratio.toFixed(0)}x`
  console.log(`  ${what.padEnd(62)} ${ours.padStart(12)} ${theirs.padStart(12)} ${last.padStart(7)}`)
}

export async function run(): Promise<void> {
  const small = encodeMessage(packetIn(128))
  const theirs = osKen(small)
  // os-ken has another order of match fields.
  const fields = (bytes: Uint8Array): string => formatMessage(bytes).replace(/.*flow_mod/i, '')
  const same = fields(encodeMessage(flowMod)) === fields(new Uint8Array(Buffer.from(theirs.bytes, 'hex')))
  console.log(`ofproto: Node ${process.version}; os-ken's flow_mod is ${same ? 'the same flow' : 'ANOTHER FLOW'}`)
  row('medians', 'weft', 'os-ken', null)
  const encode = median(() => encodeMessage(flowMod).length, 100_000)
  row('flow_mod, 6 fields, 3 actions: encode', duration(encode), duration(theirs.flow_mod), theirs.flow_mod / encode)
  const writer = new Writer(1 << 20)
  const append = median(() => {
    if (writer.offset > 1_000_000) writer.offset = 0
    writeMessage(writer, flowMod)
    return writer.offset
  }, 100_000)
  row('the same into a buffer of many', duration(append), duration(theirs.flow_mod), theirs.flow_mod / append)
  const decode = median(() => decodeMessage(small).xid, 100_000)
  row('packet_in of 128 bytes: decode', duration(decode), duration(theirs.packet_in), theirs.packet_in / decode)
  for (const [name, bytes] of Object.entries(streams)) {
    const ns = median(() => decodeStream(bytes), 3, 9)
    const theirsNs = ((theirs.streams[name] ?? Number.NaN) * bytes.length) / sampleOf(bytes).length
    const rate = (each: number): string => `${(bytes.length / each).toPrecision(3)} GB/s`
    row(`${name}: frame and decode`, rate(ns), rate(theirsNs), theirsNs / ns)
    row('', duration(ns), duration(theirsNs))
  }
  text()
  if (sink === 0) throw new Error('nothing was measured')
}

/** os-ken has no ovs-ofctl language to compare with. */
function text(): void {
  row('flow text: parse', duration(median(() => parseFlowMod('add', flowText).priority, 10_000)))
  row('flow text: print', duration(median(() => formatFlowMod(flowMod).length, 10_000)))
}
