// Actions and instructions against OVS itself: what it prints for a text, what bytes it sends for a text, and what it
// makes of our bytes. A failure names the seed; SEED=n in the environment runs it again.
import * as fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  actionList,
  formatActions,
  formatInstructions,
  instructionList,
  parseInstructions,
} from '../../ofproto/actions/index.ts'
import { flowTexts, type FlowText } from '../../ofproto/actions/texts.arbitrary.ts'
import { Reader } from '../../ofproto/wire/reader.ts'
import { Writer } from '../../ofproto/wire/writer.ts'
import { OfctlLab, run } from './ofctl-lab.ts'

const COUNT = 3_000
const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000)
const flows = fc.sample(flowTexts, { numRuns: COUNT, seed })
const line = ({ match, actions }: FlowText): string => `${match}${match === '' ? '' : ','}actions=${actions}`
const lines = flows.map(line)

const encode = (flow: FlowText): Uint8Array => {
  const w = new Writer()
  w.bytes.fill(0xa5)
  instructionList.write(w, parseInstructions(flow.actions, flow.context))
  return w.slice()
}
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** Names the first flow whose results differ. */
function expectSame(ours: readonly string[], theirs: readonly string[]): void {
  const at = ours.findIndex((text, i) => text !== theirs[i])
  expect({ seed, flow: lines[at], result: ours[at] }).toEqual({ seed, flow: lines[at], result: theirs[at] })
  expect(theirs).toHaveLength(COUNT)
}

/** The instructions of a flow_mod of OpenFlow 1.3: what follows the match at byte 48. */
function instructionsOf(flowMod: Uint8Array): Uint8Array {
  const matchLength = new DataView(flowMod.buffer, flowMod.byteOffset).getUint16(50)
  return flowMod.subarray(48 + ((matchLength + 7) & ~7))
}

const lab = new OfctlLab()
beforeAll(() => lab.start())
afterAll(() => lab.stop())

test('what we parse prints as ovs-ofctl parse-flows prints it', () => {
  const out = run('ovs-ofctl', ['-O', 'OpenFlow13', 'parse-flows', '-'], `${lines.join('\n')}\n`)
  const theirs = out
    .split('\n')
    .filter((text) => text.startsWith('OFPT_FLOW_MOD'))
    .map((text) => text.replace(/^.* actions=/, ''))
  expectSame(
    flows.map((flow) => formatInstructions(parseInstructions(flow.actions, flow.context))),
    theirs,
  )
})

test('our bytes are those that ovs-ofctl sends', async () => {
  const sent = await lab.flowMods(lines)
  expectSame(
    flows.map((flow) => hex(encode(flow))),
    sent.map((flowMod) => hex(instructionsOf(flowMod))),
  )
})

test('our actions print the same with ovs-ofctl parse-actions, and come out of it as they went in', () => {
  const lists = flows.flatMap((flow) =>
    parseInstructions(flow.actions, flow.context).flatMap((i) => (i.kind === 'apply_actions' ? [i.actions] : [])),
  )
  const encoded = lists.map((actions) => {
    const w = new Writer()
    actionList.write(w, actions)
    return w.slice()
  })
  const out = run('ovs-ofctl', ['parse-actions', 'OpenFlow13'], encoded.map((bytes) => `${hex(bytes)}\n`).join(''))
  const theirs = out.split('\n').filter((text) => text !== '')
  expect(lists.length).toBeGreaterThan(0.9 * COUNT)
  const ours = encoded.map((bytes) => `actions=${formatActions(actionList.read(new Reader(bytes)))}`)
  // Where OVS would send other bytes than it got, it prints them after the actions.
  const at = ours.findIndex((text, i) => text !== theirs[i])
  expect({ seed, result: ours[at] }).toEqual({ seed, result: theirs[at] })
  expect(theirs).toHaveLength(lists.length)
})

test('our instructions print the same with ovs-ofctl parse-instructions', () => {
  // This command knows no match, so only flows without one can pass its checks.
  const encoded = flows.flatMap((flow) => (flow.match === '' && flow.actions !== 'drop' ? [encode(flow)] : []))
  const out = run('ovs-ofctl', ['parse-instructions', 'OpenFlow13'], encoded.map((bytes) => `${hex(bytes)}\n`).join(''))
  const theirs = out.split('\n').filter((text) => text !== '')
  const ours = encoded.map((bytes) => `actions=${formatInstructions(instructionList.read(new Reader(bytes)))}`)
  expect(ours.length).toBeGreaterThan(COUNT / 30)
  expect({ seed, theirs }).toEqual({ seed, theirs: ours })
})
