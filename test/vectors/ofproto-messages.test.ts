// Messages as bytes and as the text that OVS 3.1.0 printed for them (ofproto-messages.txt).
import { describe, expect, it, test } from 'vitest'
import { Writer } from '../../ofproto/wire/writer.ts'
import { decodeMessage, formatMessage, messageKinds, writeMessage, type Message } from '../../ofproto/messages/index.ts'
import { multipartRows } from '../../ofproto/messages/multipart.ts'
import { messageVectors } from './vectors.ts'

const vectors = messageVectors()
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

/** `message` written over a buffer that is full of other things, as a writer that is used again is. */
function encodeOver(value: Message): Uint8Array {
  const w = new Writer(4096)
  w.bytes.fill(0xa5)
  writeMessage(w, value)
  return w.slice()
}

describe('golden vectors', () => {
  test.each(vectors)('$name prints as OVS prints it', ({ bytes, text }) => {
    expect(formatMessage(bytes)).toBe(text)
  })

  test.each(vectors.filter(({ text }) => !text.includes('***decode error')))(
    '$name comes out of decode and encode as it went in',
    ({ bytes }) => {
      const value = decodeMessage(bytes)
      expect(hex(encodeOver(value))).toBe(hex(bytes))
      expect(formatMessage(value)).toBe(formatMessage(bytes))
    },
  )

  it('has every kind of message, and every multipart body both ways', () => {
    const names = new Set(vectors.map(({ name }) => name))
    const kinds = messageKinds.filter((kind) => !kind.startsWith('multipart_'))
    const bodies = Object.keys(multipartRows).flatMap((kind) => [
      `multipart_request ${kind}`,
      `multipart_reply ${kind}`,
    ])
    expect([...kinds, ...bodies].filter((name) => !names.has(name))).toEqual([])
  })
})

it('says where a vector with a wrong byte is wrong', () => {
  const flowMod = vectors.find(({ name }) => name === 'flow_mod')?.bytes.slice() ?? new Uint8Array(0)
  flowMod[25] = 9
  expect(() => decodeMessage(flowMod)).toThrow(
    'OFPFMFC_BAD_COMMAND at byte 25 (flow_mod.command): 9 is no flow_mod command',
  )
})
