// The golden vectors are what the installed OVS says, not what we do: it prints their bytes again.
import { expect, test } from 'vitest'
import { ofctl } from '../lab/ofctl.ts'
import { commandVectors, matchVectors, messageVectors } from '../vectors/vectors.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

test('messages and commands print as their vectors say', () => {
  for (const { name, bytes, text } of [...messageVectors(), ...commandVectors()])
    expect(`${name}: ${ofctl(['ofp-print', hex(bytes)])}`).toBe(`${name}: ${text}`)
})

/** An add-flow of OpenFlow 1.3 that drops, with the OXM entries of a match. */
function flowMod(entries: string): Buffer {
  const match = Buffer.from(entries, 'hex')
  const frame = Buffer.alloc(48 + ((4 + match.length + 7) & ~7))
  frame.writeUInt16BE(0x040e, 0)
  frame.writeUInt16BE(frame.length, 2)
  frame.writeUInt16BE(0x8000, 30)
  frame.fill(0xff, 32, 44)
  frame.writeUInt16BE(1, 48)
  frame.writeUInt16BE(4 + match.length, 50)
  match.copy(frame, 52)
  return frame
}

test('matches print as their vectors say', () => {
  const vectors = matchVectors()
  const out = ofctl(['ofp-parse', '-'], Buffer.concat(vectors.map(({ hex: entries }) => flowMod(entries))))
  const printed = out.split(/^(?=OFPT_FLOW_MOD)/m).map((line) =>
    line
      .trim()
      .replace(/^.*?: ADD ?/, '')
      .replace(/ ?actions=drop$/, ''),
  )
  expect(printed).toEqual(vectors.map(({ text }) => text))
})
