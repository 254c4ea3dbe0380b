// Throws broken messages and texts at the OpenFlow library: whatever comes, it gives a value or throws DecodeError (bytes)
// or TextError (texts), keeps to a small multiple of the input's size, and encodes what it decoded to bytes that say
// the same.
import { sample } from 'fast-check'
import { parseActions, parseInstructions } from '../../ofproto/actions/index.ts'
import { flowTexts } from '../../ofproto/actions/texts.arbitrary.ts'
import { parseMatch } from '../../ofproto/fields/match-text.ts'
import { matchText } from '../../ofproto/fields/testing.ts'
import { parseFlowMod, parseFlowRequest } from '../../ofproto/messages/flow-text.ts'
import type { FlowMod } from '../../ofproto/messages/flow.ts'
import { parseGroupMod } from '../../ofproto/messages/group-text.ts'
import { decodeMessage, encodeMessage } from '../../ofproto/messages/index.ts'
import { parseMeterMod } from '../../ofproto/messages/meter-text.ts'
import { formatMessage } from '../../ofproto/messages/print.ts'
import { message } from '../../ofproto/messages/testing.ts'
import { ourHello } from '../../ofproto/session/hello.ts'
import { Session } from '../../ofproto/session/session.ts'
import { TextError } from '../../ofproto/text/tokens.ts'
import { DecodeError, EncodeError } from '../../ofproto/wire/errors.ts'
import { mutate, mutateText, pick, randomFrom, type Random } from './random.ts'

export interface FuzzOptions {
  readonly seconds: number
  readonly seed: number
  /** The CPU time that no case may take; not looked at unless given. */
  readonly limitMilliseconds?: number
}

interface Seeds {
  readonly frames: readonly Uint8Array[]
  readonly texts: readonly Text[]
}

interface Text {
  readonly text: string
  /** Throws TextError, or EncodeError for what is too long. */
  readonly parse: (text: string) => unknown
}

/** The parsers, each with texts of its own. */
const flowParsers: readonly Text['parse'][] = [
  (text) => encodeMessage(parseFlowMod('add', text)),
  (text) => encodeMessage(parseFlowMod('modify_strict', text)),
]
const matchParsers: readonly Text['parse'][] = [
  parseMatch,
  (text) => encodeMessage(parseFlowMod('delete', text)),
  (text) => parseFlowRequest('flow', text),
]
const actionParsers: readonly Text['parse'][] = [(text) => parseActions(text), (text) => parseInstructions(text)]
const parseGroup: Text['parse'] = (text) => encodeMessage(parseGroupMod('add', text))
const parseMeter: Text['parse'] = (text) => encodeMessage(parseMeterMod('add', text))
const allParsers = [...flowParsers, ...matchParsers, ...actionParsers, parseGroup, parseMeter]

const SEEDS = 300
const groupTexts = [
  'group_id=1,type=select,bucket=weight:3,actions=output:1,bucket=weight:1,output:2',
  'group_id=2,type=ff,bucket=watch_port:1,dec_ttl,output:2,bucket=watch_group:3,output:1',
]
const meterTexts = [
  'meter=1,kbps,burst,stats,bands=type=drop,rate=1000,burst_size=5',
  'meter=2,pktps,bands=type=dscp_remark,rate=9,prec_level=1',
]

function makeSeeds(seed: number): Seeds {
  const options = { seed, numRuns: SEEDS }
  const flowParts = sample(flowTexts, options)
  const flows = flowParts.map(({ match, actions }) => `${match} actions=${actions}`)
  const actions = flowParts.map((part) => part.actions)
  const frames = [...sample(message, options), ...flows.flatMap(flowModOf)].map(encodeMessage)
  const pair = (texts: readonly string[], parsers: readonly Text['parse'][]): Text[] =>
    texts.flatMap((text) => parsers.map((parse) => ({ text, parse })))
  const texts = [
    ...pair(flows, flowParsers),
    ...pair(sample(matchText, options), matchParsers),
    ...pair(actions, actionParsers),
    ...pair(Array.from({ length: 100 }, () => groupTexts).flat(), [parseGroup]),
    ...pair(Array.from({ length: 100 }, () => meterTexts).flat(), [parseMeter]),
  ]
  return { frames, texts }
}

/** Some of the random texts are not in the language of OpenFlow 1.3. */
function flowModOf(text: string): FlowMod[] {
  try {
    return [parseFlowMod('add', text)]
  } catch (error) {
    if (error instanceof TextError) return []
    throw error
  }
}

/** Runs until the time is over; throws on the first finding, with the input that shows it. */
export function fuzz({ seconds, seed, limitMilliseconds }: FuzzOptions): { cases: number } {
  const seeds = makeSeeds(seed)
  const end = performance.now() + seconds * 1000
  let cases = 0
  for (; performance.now() < end; cases += 1) runCase(seeds, seed, cases, limitMilliseconds)
  return { cases }
}

function runCase(seeds: Seeds, seed: number, number: number, limitMilliseconds: number | undefined): void {
  try {
    const spent = cpuOf(() => oneCase(seeds, randomFrom(seed + number)))
    if (limitMilliseconds === undefined || spent <= limitMilliseconds) return
    // Not the garbage collector, nor the compiler: the best of three must be slow too.
    const best = Math.min(...[1, 2, 3].map(() => cpuOf(() => oneCase(seeds, randomFrom(seed + number)))))
    if (best > limitMilliseconds) throw new Error(`takes ${best.toFixed()} ms of CPU`)
  } catch (error) {
    const what = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
    throw new Error(`ofproto fuzzing: seed ${seed}, case ${number}: ${what}`, { cause: error })
  }
}

function cpuOf(work: () => void): number {
  const before = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}

function oneCase(seeds: Seeds, random: Random): void {
  switch (random(4)) {
    case 0:
      return tryText(random, seeds)
    case 1:
      return tryStream(random, seeds)
    default:
      return checkFrame(brokenFrame(random, seeds))
  }
}

/** A frame whose header is mostly right, so that what is inside is looked at. */
function brokenFrame(random: Random, { frames }: Seeds): Uint8Array {
  const bytes = random(30) === 0 ? noise(random) : mutate(random, pick(random, frames), pick(random, frames))
  if (bytes.length >= 8 && random(20) !== 0) {
    bytes[0] = 4
    bytes[2] = bytes.length >> 8
    bytes[3] = bytes.length & 0xff
  }
  return bytes
}

function noise(random: Random): Uint8Array {
  const bytes = Uint8Array.from({ length: 8 + random(200) }, () => random(256))
  bytes[1] = random(40)
  return bytes
}

/** Throws what `bytes` show to be wrong with the library. */
export function checkFrame(bytes: Uint8Array): void {
  showing(bytes, () => tryFrame(bytes))
}

function showing(bytes: Uint8Array, work: () => void): void {
  try {
    work()
  } catch (error) {
    throw new Error(`${hex(bytes)}: ${String(error)}`, { cause: error })
  }
}

function tryFrame(bytes: Uint8Array): void {
  const printed = formatMessage(bytes)
  if (printed.length > 1000 * bytes.length + 10_000) throw new Error(`${bytes.length} bytes print as ${printed.length}`)
  let decoded
  try {
    decoded = decodeMessage(bytes)
  } catch (error) {
    if (error instanceof DecodeError) return
    throw error
  }
  checkSize(decoded, bytes.length)
  let encoded: Uint8Array
  try {
    encoded = encodeMessage(decoded)
  } catch (error) {
    // What is shorter on the wire than canonical may be too long when it is canonical.
    if (error instanceof EncodeError) return
    throw error
  }
  const again = Buffer.from(encodeMessage(decodeMessage(encoded)))
  if (!again.equals(encoded)) throw new Error(`${hex(encoded)} is encoded again as ${hex(again)}`)
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** The values and bytes in a message are bounded by the bytes that it came from. */
function checkSize(value: unknown, size: number): void {
  let values = 0
  let bytes = 0
  const visit = (each: unknown): void => {
    values += 1
    if (each instanceof Uint8Array) bytes += each.length
    else if (typeof each === 'object' && each !== null) for (const inner of Object.values(each)) visit(inner)
  }
  visit(value)
  if (values > 16 * size + 100) throw new Error(`${size} bytes become ${values} values`)
  if (bytes > 4 * size + 1000) throw new Error(`${size} bytes become ${bytes} bytes`)
}

/** A stream of good and bad frames, split anywhere, into both ends of a session. */
function tryStream(random: Random, seeds: Seeds): void {
  const frames = Array.from({ length: 1 + random(6) }, () =>
    random(2) === 0 ? pick(random, seeds.frames) : brokenFrame(random, seeds),
  )
  const stream = new Uint8Array(Buffer.concat([encodeMessage(ourHello(1)), ...frames]))
  const session = new Session(
    { side: random(2) === 0 ? 'switch' : 'controller', limits: { messages: 4, bytes: 1 << 17 } },
    0,
  )
  session.request({ kind: 'barrier_request', xid: random(4) + 2 })
  let events = 0
  for (let at = 0; at < stream.length;) {
    const size = 1 + random(random(3) === 0 ? 5 : stream.length)
    events += session.receive(stream.subarray(at, at + size), 0).length
    at += size
  }
  if (events > stream.length / 8 + 2) throw new Error(`${stream.length} bytes become ${events} events`)
  const answer = session.takeOutput()?.length ?? 0
  if (answer > 16 * stream.length + 100) throw new Error(`${stream.length} bytes are answered by ${answer}`)
}

function tryText(random: Random, { texts }: Seeds): void {
  const seed = pick(random, texts)
  const parse = random(10) === 0 ? pick(random, allParsers) : seed.parse
  const text = mutateText(random, seed.text, pick(random, texts).text)
  try {
    parse(text)
  } catch (error) {
    if (!(error instanceof TextError) && !(error instanceof EncodeError))
      throw new Error(`${JSON.stringify(text.slice(0, 2000))}: ${String(error)}`, { cause: error })
  }
}
