// The unmodified `openstack` CLI against `weft serve`: scripts of commands, a file for each resource; together they use every
// command and option that the client's help has for these resources.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeFolder, removeFolder } from '../lab/folder.ts'
import { ServeProcess } from '../lab/serve.ts'
import { sdkScripts, withoutCredentials } from './openstack/client.ts'
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

test.each(sdkScripts)('openstacksdk: %s', async (script) => {
  const { code, err } = await cloud.sdk(script)
  expect([code, err]).toEqual([0, expect.any(String)])
})

test('the doors: password, static token, HTTP basic; and none of them without the secret', async () => {
  await cloud.run(
    'network create secret --project demo -f value -c project_id => p1\ntoken issue -f value -c project_id => p1',
  )
  await cloud.run('network list => !401', cloud.door('wrong'))
  await cloud.run('network list -f value -c Name => secret\nnetwork create x --share => !403', cloud.tokenDoor())
  await cloud.run('network list => !401', cloud.tokenDoor('guess'))
  await cloud.run('network show secret -f value -c name => secret', cloud.basicDoor())
  await cloud.run('network list => !401', cloud.basicDoor('guess'))
  await cloud.run('network delete secret')
})

test('without credentials, everybody on this machine is the operator', async () => {
  const folder = await makeFolder()
  try {
    await using serve = await ServeProcess.start(folder)
    const door = withoutCredentials(serve.url)
    await cloud.run('network create n --share -f value -c shared => True\nnetwork list -f value -c Name => n', door)
  } finally {
    removeFolder(folder)
  }
})

test('the scripts use every command and option of the help; the few that are refused have a reason', async () => {
  const pages = await readHelp(['network', 'subnet', 'port', 'router', 'security group', 'address'])
  // Else the help was not read.
  expect(pages.find(({ command }) => command === 'port create')?.options).toContain('--fixed-ip')
  expect(pages.find(({ command }) => command === 'router unset')?.options).toContain('--external-gateway')
  expect(coverage(pages, scriptNames.flatMap(readScript))).toEqual({ untried: [], unproved: [] })
})
