// Messages as bytes and as the text that OVS 3.1.0 printed for them (ofproto-messages.txt).
import { readFileSync } from 'node:fs'
import { describe, expect, it, test } from 'vitest'
import { Writer } from '../../ofproto/wire/writer.ts'
import { decodeMessage, formatMessage, messageKinds, writeMessage, type Message } from '../../ofproto/messages/index.ts'
import { multipartRows } from '../../ofproto/messages/multipart.ts'

interface Vector {
  readonly name: string
  readonly bytes: Uint8Array
  readonly text: string
}

function bytesOf(line: string): number[] {
  const zeros = /^zeros (\d+)$/.exec(line)
  if (zeros) return Array.from({ length: Number(zeros[1]) }, () => 0)
  return (line.replace(/#.*/, '').match(/[0-9a-f]{2}/g) ?? []).map((byte) => Number.parseInt(byte, 16))
}

function readVectors(): Vector[] {
  const file = readFileSync(new URL('./ofproto-messages.txt', import.meta.url), 'latin1')
  return file
    .split(/^== /m)
    .slice(1)
    .map((block) => {
      const [name = '', ...lines] = block.trimEnd().split('\n')
      const isText = (line: string) => line.startsWith('|')
      const bytes = Uint8Array.from(lines.filter((line) => !isText(line)).flatMap(bytesOf))
      return {
        name,
        bytes,
        text: `${lines
          .filter(isText)
          .map((line) => line.slice(2))
          .join('\n')}\n`,
      }
    })
}

const vectors = readVectors()
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
