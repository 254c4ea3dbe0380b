import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

test('npm run demo -- --check builds a network over REST and everything in it passes', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ['demo/main.ts', '--check'])
  expect(stdout).toContain('All passed.')
  expect(stdout).not.toContain('FAIL')
})
