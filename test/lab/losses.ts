// How many packets get lost while something happens.
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Machine } from './fabric.ts'
import { startDaemon } from './run.ts'

export interface Losses {
  readonly sent: number
  readonly lost: number
}

/** Pings every `milliseconds` while `act` runs. */
export async function pinging(
  from: Machine,
  address: string,
  milliseconds: number,
  act: () => Promise<unknown>,
): Promise<Losses> {
  const log = join(from.folder, `${randomUUID()}.ping`)
  const interval = String(milliseconds / 1000)
  const ping = await startDaemon('ping', ['-n', '-i', interval, address], { namespace: from.namespace, log })
  try {
    await act()
  } finally {
    await ping.stop('SIGINT')
  }
  const summary = /(\d+) packets transmitted, (\d+) received/
  const [, sent, received] = summary.exec(readFileSync(log, 'utf8')) ?? []
  return { sent: Number(sent), lost: Number(sent) - Number(received) }
}
