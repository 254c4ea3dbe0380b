// Flows, groups and meters as text, and the messages that ovs-ofctl of OVS 3.1.0 sends for them (ofproto-commands.txt).
import { describe, expect, it, test } from 'vitest'
import { encoders } from '../../bin/ofp-encode.ts'
import type { Instruction } from '../../ofproto/actions/index.ts'
import { instructionKinds } from '../../ofproto/actions/instructions.ts'
import { decodeMessage, encodeMessage, formatMessage } from '../../ofproto/messages/index.ts'
import { commandVectors } from './vectors.ts'

const vectors = commandVectors().map(({ name, bytes, text: printed }) => {
  const [, strict, command = '', text = ''] = /^(--strict )?(\S+) ?(.*)$/.exec(name) ?? []
  return { name, bytes, printed, strict: strict !== undefined, command, text }
})
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

describe('golden vectors', () => {
  test.each(vectors)('$name: text -> bytes', ({ command, strict, text, bytes }) => {
    const message = encoders[command]?.(text, strict)
    expect(message && hex(encodeMessage({ ...message, xid: 0 }))).toBe(hex(bytes))
  })

  test.each(vectors)('$name: bytes -> what OVS prints, and back to the same bytes', ({ bytes, printed }) => {
    const message = decodeMessage(bytes)
    expect(formatMessage(message)).toBe(printed)
    expect(hex(encodeMessage(message))).toBe(hex(bytes))
  })

  it('has every command of ofp-encode', () => {
    const found = new Set(vectors.map(({ command }) => command))
    // delete-flows is another word for del-flows.
    expect(Object.keys(encoders).filter((command) => command !== 'delete-flows' && !found.has(command))).toEqual([])
  })

  it('has every instruction', () => {
    const messages = vectors.map(({ bytes }) => decodeMessage(bytes))
    const used = messages.flatMap((m): readonly Instruction[] => (m.kind === 'flow_mod' ? m.instructions : []))
    const found = new Set<string>(used.map(({ kind }) => kind))
    expect(instructionKinds.filter((kind) => !found.has(kind))).toEqual([])
  })
})
