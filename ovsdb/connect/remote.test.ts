import { expect, test } from 'vitest'
import { Backoff } from './backoff.ts'
import { parseActiveRemote, parsePassiveRemote } from './remote.ts'

test('connection methods are read as OVS writes them', () => {
  expect(parseActiveRemote('tcp:192.0.2.1:6641')).toEqual({ kind: 'tcp', host: '192.0.2.1', port: 6641 })
  expect(parseActiveRemote('ssl:[2001:db8::1]:6642')).toEqual({ kind: 'ssl', host: '2001:db8::1', port: 6642 })
  expect(parseActiveRemote('tcp:host.example')).toEqual({ kind: 'tcp', host: 'host.example', port: 6640 })
  expect(parseActiveRemote('unix:/a:b')).toEqual({ kind: 'unix', path: '/a:b' })
  expect(parsePassiveRemote('ptcp:')).toEqual({ kind: 'ptcp', host: null, port: 6640 })
  expect(parsePassiveRemote('ptcp:0:127.0.0.1')).toEqual({ kind: 'ptcp', host: '127.0.0.1', port: 0 })
  expect(parsePassiveRemote('pssl:6640:[::1]')).toEqual({ kind: 'pssl', host: '::1', port: 6640 })
  expect(parsePassiveRemote('punix:/a')).toEqual({ kind: 'punix', path: '/a' })
})

test.each(['', 'tcp', 'tcp:', 'udp:1.2.3.4:5', 'tcp:a:b', 'tcp:a:70000', 'unix:', 'ptcp:6640', '2001:db8::1'])(
  '%j is no active connection method',
  (text) => {
    expect(() => parseActiveRemote(text)).toThrow(text === 'tcp:a:70000' ? /over 65535/ : /^not tcp:HOST:PORT/)
  },
)

test.each(['', 'tcp:1.2.3.4:5', 'ptcp:x', 'punix:', 'ptcp:70000'])('%j is no passive connection method', (text) => {
  expect(() => parsePassiveRemote(text)).toThrow()
})

test('waits double up to a maximum, with jitter of at most half, and begin anew after success', () => {
  const at = (random: number): Backoff => new Backoff({ minMilliseconds: 100, maxMilliseconds: 500 }, () => random)
  const most = at(1)
  expect([most.next(), most.next(), most.next(), most.next(), most.next()]).toEqual([100, 200, 400, 500, 500])
  most.reset()
  expect(most.next()).toBe(100)
  const least = at(0)
  expect([least.next(), least.next()]).toEqual([50, 100])
})
