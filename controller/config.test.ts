import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse } from 'yaml'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ConfigError, help, printConfig, readConfig, splitVlanRanges } from './config.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'weft-config-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

const file = (content: string): string => {
  const path = join(folder, 'weft.yaml')
  writeFileSync(path, content)
  return path
}

test('defaults serve the API on loopback and OVS on its usual ports', () => {
  expect(readConfig([], {}).config).toMatchObject({ api: '127.0.0.1:9696', ovsdb: 'ptcp:6640', openflow: 'ptcp:6653' })
})

test('flags win over the environment, the environment over the file', () => {
  const path = file('log-level: warn\ndata: /a\naudit-interval: 3\n')
  const { config } = readConfig(['--config', path, '--data', '/c'], { WEFT_DATA: '/b', WEFT_LOG_LEVEL: 'debug' })
  expect(config).toMatchObject({ data: '/c', 'log-level': 'debug', 'audit-interval': 3 })
})

test.each([
  [['--api', '127.0.0.1'], 'api'],
  [['--api', 'localhost:9696'], 'api'],
  [['--api', '127.0.0.1:99999'], 'api'],
  [['--ovsdb', 'tcp:1.2.3.4:6640'], 'ovsdb'],
  [['--log-level', 'loud'], 'log-level'],
  [['--audit-interval', '0'], 'audit-interval'],
  [['--gateway-takeover', '0.5'], 'gateway-takeover'],
  [['--vlan-ranges', 'physnet1'], 'vlan-ranges'],
  [['--vlan-ranges', 'physnet1:1:100,physnet2:1:4095'], 'vlan-ranges'],
  [['--openflow', 'pssl:6653'], 'tls-key'],
  [['--no-such'], 'command line'],
  [['--config', '/nonexistent'], 'config'],
])('%j is refused and the message names %s', (args, key) => {
  expect(() => readConfig(args, {})).toThrow(ConfigError)
  expect(() => readConfig(args, {})).toThrow(new RegExp(`^${key}: `))
})

test('ranges of VLANs belong to physical networks', () => {
  const { config } = readConfig(['--vlan-ranges', 'physnet1:100:199, physnet2:1:4094'], {})
  expect(splitVlanRanges(config['vlan-ranges'])).toEqual([
    { physical: 'physnet1', first: 100, last: 199 },
    { physical: 'physnet2', first: 1, last: 4094 },
  ])
})

test('an unknown key in the file is refused by name', () => {
  expect(() => readConfig(['--config', file('apy: 1\n')], {})).toThrow(/^apy: unknown key/)
})

test('what --print-config prints is a file that gives the same settings', () => {
  const { config, action } = readConfig(['--print-config', '--data', '/x'], {})
  expect(action).toBe('print-config')
  expect(readConfig(['--config', file(printConfig(config))], {}).config).toEqual(config)
  expect(parse(printConfig(config))).toEqual(config)
})

test('the help names every option', () => {
  for (const key of Object.keys(readConfig([], {}).config)) expect(help()).toContain(`--${key} `)
})
