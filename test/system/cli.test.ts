// The commands that people run: bin/weft as a process, beside ovs-ofctl.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const weft = fileURLToPath(new URL('../../bin/weft', import.meta.url))

interface Outcome {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

function run(command: string, args: readonly string[], input = ''): Outcome {
  const { status, stdout, stderr } = spawnSync(command, args, { input, encoding: 'utf8' })
  return { status, stdout, stderr }
}

const flows = [
  'priority=10,ip,nw_dst=10.0.0.0/8 actions=dec_ttl,output:2',
  'table=3,tcp,tp_dst=80,ct_state=+trk+est actions=ct(commit,zone=1,exec(load:1->NXM_NX_CT_MARK[])),resubmit(,4)',
  'arp actions=controller(userdata=01.02,pause)',
]

test('ofp-encode and ofp-print, a flow a line: what comes out is what ovs-ofctl prints of the bytes', () => {
  const encoded = run(weft, ['ofp-encode', 'add-flow', '-'], `# flows\n${flows.join('\n')}\n\n`)
  expect(encoded).toMatchObject({ status: 0, stderr: '' })
  const lines = encoded.stdout.trim().split('\n')
  expect(lines).toHaveLength(flows.length)
  const printed = run(weft, ['ofp-print', '-'], encoded.stdout)
  expect(printed.status).toBe(0)
  expect(printed.stdout).toBe(lines.map((line) => run('ovs-ofctl', ['ofp-print', line]).stdout).join(''))
})

test.each([
  ['add-group', 'group_id=1,type=select,bucket=weight:3,output:2', 'ADD group_id=1,type=select'],
  ['mod-group', 'group_id=1,type=all,bucket=output:2', 'MOD group_id=1,type=all'],
  ['del-groups', 'group_id=1', 'DEL group_id=1'],
  ['add-meter', 'meter=1,kbps,bands=type=drop,rate=1000', 'ADD meter=1 kbps bands='],
  ['delete-flows', 'in_port=1', 'DEL table:255 in_port=1'],
  ['mod-flows', 'in_port=1 actions=drop', 'MOD in_port=1 actions=drop'],
  ['dump-flows', 'tcp', 'OFPST_FLOW request (OF1.3) (xid=0x0): tcp'],
])('ofp-encode %s %s', (command, text, expected) => {
  const { status, stdout } = run(weft, ['ofp-encode', command, text])
  expect(status).toBe(0)
  expect(run('ovs-ofctl', ['ofp-print', stdout.trim()]).stdout).toContain(expected)
})

test('--strict and --xid are in the message', () => {
  const { stdout } = run(weft, ['ofp-encode', '--strict', '--xid', '255', 'mod-flows', 'priority=3 actions=drop'])
  expect(run(weft, ['ofp-print', stdout]).stdout).toContain('(xid=0xff): MOD_STRICT priority=3 actions=drop')
})

test('a message may be written with blanks, or as bytes apart', () => {
  const expected = 'OFPT_FEATURES_REQUEST (OF1.3) (xid=0x7):\n'
  expect(run(weft, ['ofp-print', '04 05 00 08 00 00 00 07']).stdout).toBe(expected)
  expect(run(weft, ['ofp-print', '04', '05', '00', '08', '00', '00', '00', '07']).stdout).toBe(expected)
  expect(run(weft, ['ofp-print', '0405000800000007', '0405000800000007']).stdout).toBe(expected.repeat(2))
})

test('a faulty line is reported with its number, the others are done, and the status is 1', () => {
  const text = run(weft, ['ofp-encode', 'add-flow', '-'], 'actions=drop\nactions=bogus\nactions=drop\n')
  expect(text.stdout.trim().split('\n')).toHaveLength(2)
  expect(text.stderr).toMatch(/^weft: line 2: .*bogus/)
  expect(text.status).toBe(1)
  const hex = run(weft, ['ofp-print', '-'], '04xx\n0405000800000007\n')
  expect(hex.stdout).toContain('OFPT_FEATURES_REQUEST')
  expect(hex).toMatchObject({ status: 1, stderr: "weft: line 1: 'x' is no hexadecimal digit\n" })
})

test('a wrong command line says what is wrong and ends with status 2', () => {
  expect(run(weft, ['bogus'])).toMatchObject({ status: 2, stdout: '', stderr: expect.stringContaining("'bogus'") })
  expect(run(weft, ['ofp-encode', 'bogus', 'x'])).toMatchObject({
    status: 2,
    stderr: expect.stringContaining("'bogus'"),
  })
  expect(run(weft, ['ofp-encode', 'add-flow']).status).toBe(2)
  expect(run(weft, ['ofp-print']).status).toBe(2)
  expect(run(weft, ['ofp-print', '--bogus']).status).toBe(2)
})

test('--help names the commands, and each explains itself', () => {
  const { status, stdout } = run(weft, ['--help'])
  expect(status).toBe(0)
  for (const command of ['ofp-print', 'ofp-encode']) {
    expect(stdout).toContain(command)
    expect(run(weft, [command, '--help'])).toMatchObject({ status: 0, stdout: expect.stringContaining('usage:') })
  }
})
