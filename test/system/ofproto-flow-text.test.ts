// The texts of flows, groups and meters against ovs-ofctl: it sends its messages to a switch that is ours, and they must
// be those that our parsers make of the same text; what it refuses, we refuse.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { TextError } from '../../ofproto/text/tokens.ts'
import { flowTexts } from '../../ofproto/actions/texts.arbitrary.ts'
import {
  decodeMessage,
  encodeMessage,
  parseFlowMod,
  parseGroupMod,
  parseMeterMod,
} from '../../ofproto/messages/index.ts'
import type { FlowModCommand, GroupModCommand, Message } from '../../ofproto/messages/index.ts'
import { seed } from '../seed.ts'

/** ovs-ofctl asks for the names of ports and tables before it reads a text; there are none. */
function answer({ xid, body }: Extract<Message, { kind: 'multipart_request' }>): Uint8Array {
  if (body.kind === 'port_desc')
    return encodeMessage({ kind: 'multipart_reply', xid, more: false, body: { kind: 'port_desc', ports: [] } })
  return encodeMessage({
    kind: 'multipart_reply',
    xid,
    more: false,
    body: { kind: 'table_features', tables: [nameless] },
  })
}

/** A table that can do nothing and has no name. */
const nameless = {
  table: 0,
  name: '',
  metadataMatch: 0n,
  metadataWrite: 0n,
  config: 0,
  maximumEntries: 0,
  properties: [
    { kind: 'instructions', types: [] },
    { kind: 'next_tables', tables: new Uint8Array(0) },
    { kind: 'write_actions', types: [] },
    { kind: 'apply_actions', types: [] },
    { kind: 'match', fields: [] },
    { kind: 'wildcards', fields: [] },
    { kind: 'write_setfield', fields: [] },
    { kind: 'apply_setfield', fields: [] },
  ],
} as const

/** Says hello, answers questions, and keeps what else it is sent. */
class Recorder {
  readonly folder = mkdtempSync(join(tmpdir(), 'weft-flow-text-'))
  private frames: Uint8Array[] = []
  private readonly server: Server = createServer((socket) => this.serve(socket))

  start(): Promise<void> {
    return new Promise((resolve) => this.server.listen(join(this.folder, 'switch'), resolve))
  }

  stop(): void {
    this.server.close()
    rmSync(this.folder, { recursive: true, force: true })
  }

  private serve(socket: Socket): void {
    let rest: Uint8Array = new Uint8Array(0)
    socket.on('error', () => socket.destroy())
    socket.write(encodeMessage({ kind: 'hello', version: 4, xid: 0, elements: [], rest: new Uint8Array(0) }))
    socket.on('data', (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk])
      for (;;) {
        const length = rest.length < 8 ? 8 : new DataView(rest.buffer, rest.byteOffset).getUint16(2)
        if (rest.length < length) return
        this.take(socket, rest.subarray(0, length))
        rest = rest.subarray(length)
      }
    })
  }

  private take(socket: Socket, frame: Uint8Array): void {
    if (frame[0] !== 4 || (frame[1] as number) < 4) return
    const message = decodeMessage(frame)
    if (message.kind === 'barrier_request') socket.write(encodeMessage({ kind: 'barrier_reply', xid: message.xid }))
    else if (message.kind === 'multipart_request') socket.write(answer(message))
    else this.frames.push(frame.slice())
  }

  /** What ovs-ofctl sends, or why it refuses. */
  async sent(command: string, ...args: readonly string[]): Promise<readonly Uint8Array[] | string> {
    this.frames = []
    const child = spawn(
      'ovs-ofctl',
      ['-O', 'OpenFlow13', '--timeout=10', command, `unix:${join(this.folder, 'switch')}`, ...args],
      {
        stdio: ['ignore', 'ignore', 'pipe'],
      },
    )
    let errors = ''
    child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()))
    const code = await new Promise<number | null>((resolve, reject) => child.on('error', reject).on('close', resolve))
    return code === 0 ? this.frames : errors
  }

  sentForLines(command: string, lines: readonly string[]): Promise<readonly Uint8Array[] | string> {
    const file = join(this.folder, 'lines')
    writeFileSync(file, `${lines.join('\n')}\n`)
    return this.sent(command, file)
  }
}

const recorder = new Recorder()
beforeAll(() => recorder.start())
afterAll(() => recorder.stop())

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
/** Without the xid, which ovs-ofctl counts up. */
const withoutXid = (bytes: Uint8Array) => hex(bytes).replace(/^(.{8}).{8}/, '$100000000')
const encoded = (message: Message) => withoutXid(encodeMessage(message))

function expectSame(lines: readonly string[], ours: readonly string[], theirs: readonly Uint8Array[] | string): void {
  if (typeof theirs === 'string') throw new Error(theirs)
  const texts = theirs.map(withoutXid)
  const at = ours.findIndex((text, i) => text !== texts[i])
  expect({ seed, line: lines[at], bytes: ours[at] }).toEqual({ seed, line: lines[at], bytes: texts[at] })
  expect(texts).toHaveLength(lines.length)
}

const number16 = fc.integer({ min: 0, max: 0xffff })
const word = (key: string, value: fc.Arbitrary<string | number>) =>
  fc.option(
    value.map((v) => `${key}=${v}`),
    { nil: '' },
  )
const cookie = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }).map((c) => `0x${c.toString(16)}`)
const flags = fc
  .subarray(['send_flow_rem', 'check_overlap', 'reset_counts', 'no_packet_counts', 'no_byte_counts'])
  .map((words) => words.join(','))
const common = [word('table', fc.integer({ min: 0, max: 254 }))]
const timed = [word('priority', number16), word('idle_timeout', number16), word('hard_timeout', number16), flags]
const masked = word(
  'cookie',
  fc.tuple(cookie, fc.oneof(cookie, fc.constant('-1'))).map((pair) => pair.join('/')),
)
const restricted = [masked, word('out_port', fc.constantFrom('1', 'LOCAL', 'ANY')), word('out_group', number16)]

const wordsOf: Readonly<Record<FlowModCommand, readonly fc.Arbitrary<string>[]>> = {
  add: [...common, ...timed, word('cookie', cookie)],
  modify: [...common, ...timed, fc.oneof(masked, word('cookie', cookie))],
  modify_strict: [...common, ...timed, masked],
  delete: [...common, ...restricted],
  delete_strict: [...common, ...restricted, word('priority', number16)],
}

const flowLine = fc
  .constantFrom<FlowModCommand>('add', 'modify', 'modify_strict', 'delete', 'delete_strict')
  .chain((command) =>
    fc
      .tuple(fc.constant(command), fc.tuple(...wordsOf[command]), flowTexts)
      .map(([name, words, { match, actions }]) => ({
        command: name,
        // Flows may only go to later tables.
        text: [
          ...words.filter((w) => !w.startsWith('table') || !actions.includes('goto_table')),
          match,
          ...(name.startsWith('delete') ? [] : [`actions=${actions}`]),
        ]
          .filter((w) => w !== '')
          .join(','),
      })),
  )

it('makes of 2,000 random flow texts the flow_mods that ovs-ofctl sends', async () => {
  const flows = fc.sample(flowLine, { numRuns: 2000, seed })
  const lines = flows.map(({ command, text }) => `${command} ${text}`)
  const ours = flows.map(({ command, text }) => encoded(parseFlowMod(command, text)))
  expectSame(lines, ours, await recorder.sentForLines('add-flows', lines))
})

const bucket = (type: string) =>
  fc
    .tuple(
      type === 'select' ? word('weight', number16) : fc.constant(''),
      type === 'ff' ? fc.constantFrom('watch_port:1', 'watch_group:7', 'watch_port=3,watch_group=2') : fc.constant(''),
      fc.constantFrom(
        'actions=output:1',
        'action=set_queue:2,output:3',
        'output:4,output:5',
        'actions=drop',
        'set_field:10.0.0.1->ip_dst,1',
      ),
    )
    .map((words) => `bucket=${words.filter((w) => w !== '').join(',')}`)

const groupLine = fc
  .tuple(
    fc.constantFrom<GroupModCommand>('add', 'modify', 'add_or_modify'),
    fc.integer({ min: 0, max: 0xffffff00 }),
    fc.constantFrom('all', 'select', 'indirect', 'ff', 'fast_failover'),
  )
  .chain(([command, group, type]) =>
    fc
      .array(bucket(type === 'fast_failover' ? 'ff' : type), { minLength: 1, maxLength: type === 'indirect' ? 1 : 4 })
      .map((buckets) => ({ command, text: [`group_id=${group}`, `type=${type}`, ...buckets].join(',') })),
  )

it('makes of 500 random group texts the group_mods that ovs-ofctl sends', async () => {
  const groups = fc.sample(groupLine, { numRuns: 500, seed })
  const names = { add: 'add', modify: 'modify', add_or_modify: 'add_or_mod', delete: 'delete' } as const
  const lines = groups.map(({ command, text }) => `${names[command]} ${text}`)
  const ours = groups.map(({ command, text }) => encoded(parseGroupMod(command, text)))
  expectSame(lines, ours, await recorder.sentForLines('add-groups', lines))
})

const single = async (command: string, text: string, ours: Message) => {
  const theirs = await recorder.sent(command, ...(text === '' ? [] : [text]))
  expectSame([`${command} ${text}`], [encoded(ours)], theirs)
}

it('deletes groups as ovs-ofctl does', async () => {
  await single('del-groups', '', parseGroupMod('delete', ''))
  await single('del-groups', 'group_id=5', parseGroupMod('delete', 'group_id=5'))
  await single('del-groups', 'group_id=all', parseGroupMod('delete', 'group_id=all'))
})

it('makes of meter texts the meter_mods that ovs-ofctl sends', async () => {
  const texts = [
    'meter=1,kbps,burst,stats,bands=type=drop,rate=1000,burst_size=100',
    'meter=2 pktps bands=type=drop rate=5 type=dscp_remark rate=7 prec_level=1',
    'meter=controller,pktps,bands=type=drop,rate=4',
    'meter=slowpath kbps band=type=drop rate=0x10',
  ]
  for (const text of texts) {
    await single('add-meter', text, parseMeterMod('add', text))
    await single('mod-meter', text, parseMeterMod('modify', text))
  }
  await single('del-meters', '', parseMeterMod('delete', ''))
  await single('del-meter', 'meter=9', parseMeterMod('delete', 'meter=9'))
})

it('refuses the flow, group and meter texts that ovs-ofctl refuses', async () => {
  const refused: readonly (readonly [command: string, text: string, parse: (text: string) => Message])[] = [
    ['add-flow', 'tcp', (text) => parseFlowMod('add', text)],
    ['add-flow', 'cookie=1/1,actions=drop', (text) => parseFlowMod('add', text)],
    ['add-flow', 'out_port=1,actions=drop', (text) => parseFlowMod('add', text)],
    ['add-flow', 'priority=65536,actions=drop', (text) => parseFlowMod('add', text)],
    ['add-flow', 'table=,actions=drop', (text) => parseFlowMod('add', text)],
    ['add-flow', 'nonsense=1,actions=drop', (text) => parseFlowMod('add', text)],
    ['add-flow', 'table=5,actions=goto_table:5', (text) => parseFlowMod('add', text)],
    ['add-flow', 'ip,actions=set_field:80->tcp_dst', (text) => parseFlowMod('add', text)],
    ['add-flow', 'in_port=1,actions=set_field:10.0.0.1->ip_src', (text) => parseFlowMod('add', text)],
    ['del-flows', 'cookie=1', (text) => parseFlowMod('delete', text)],
    ['del-flows', 'priority=3', (text) => parseFlowMod('delete', text)],
    ['add-group', 'group_id=1,bucket=actions=drop', (text) => parseGroupMod('add', text)],
    ['add-group', 'type=all,bucket=actions=drop', (text) => parseGroupMod('add', text)],
    ['add-group', 'group_id=1,type=all,bucket=weight:3,actions=drop', (text) => parseGroupMod('add', text)],
    ['add-group', 'group_id=1,type=ff,bucket=actions=drop', (text) => parseGroupMod('add', text)],
    ['add-group', 'group_id=1,type=indirect,bucket=1,bucket=2', (text) => parseGroupMod('add', text)],
    ['add-group', 'group_id=1,type=select,bucket=weight:1', (text) => parseGroupMod('add', text)],
    ['add-group', 'group_id=4294967295,type=all', (text) => parseGroupMod('add', text)],
    ['add-meter', 'meter=1,bands=type=drop,rate=1', (text) => parseMeterMod('add', text)],
    ['add-meter', 'meter=0,kbps,bands=type=drop,rate=1', (text) => parseMeterMod('add', text)],
    ['add-meter', 'meter=1,kbps,bands=type=drop', (text) => parseMeterMod('add', text)],
    ['add-meter', 'meter=1,kbps,burst,bands=type=drop,rate=1', (text) => parseMeterMod('add', text)],
    ['add-meter', 'meter=1,kbps', (text) => parseMeterMod('add', text)],
  ]
  for (const [command, text, parse] of refused) {
    const sent = await recorder.sent(command, text)
    expect({ text, refused: typeof sent === 'string' }).toEqual({ text, refused: true })
    expect(() => parse(text)).toThrow(TextError)
  }
})
