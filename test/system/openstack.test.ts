// The unmodified `openstack` CLI against `weft serve`: scripts of commands, a file for each resource; together they use every
// command and option that the client's help has for these resources.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { OpenStackCloud } from './openstack/cloud.ts'
import { coverage } from './openstack/coverage.ts'
import { readHelp } from './openstack/help.ts'
import { readScript, scriptNames } from './openstack/script.ts'

let cloud: OpenStackCloud

beforeAll(async () => {
  cloud = await OpenStackCloud.start()
})
afterAll(() => cloud?.stop())

test.each(scriptNames)('openstack %s', async (name) => {
  await cloud.run(readScript(name))
})

test('the scripts use every command and option of the help; the few that are refused have a reason', async () => {
  const pages = await readHelp(['network', 'subnet', 'port', 'router', 'security group', 'address'])
  // Else the help was not read.
  expect(pages.find(({ command }) => command === 'port create')?.options).toContain('--fixed-ip')
  expect(pages.find(({ command }) => command === 'router unset')?.options).toContain('--external-gateway')
  expect(coverage(pages, scriptNames.flatMap(readScript))).toEqual({ untried: [], unproved: [] })
})
