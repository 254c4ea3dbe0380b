// Commands of the openstack client and what they must print, a line each:
//
//     network create n1 --mtu 1400 -f value -c mtu => 1400      must print this; `&&` between several texts
//     network set n1 --mtu 9000 => !mtu                         must be refused with this
//     network agent list --router r1 -f value ~> hv2            must print this after a while
//     rule = security group rule create g -f value -c id        from here on, $rule is what this printed
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { openstack } from './client.ts'

const FOLDER = join(import.meta.dirname, 'scripts')

export interface Line {
  readonly text: string
  readonly words: readonly string[]
  readonly save: string | undefined
  readonly wanted: readonly string[]
  readonly becomes: 'printed' | 'printed after a while' | 'refused'
}

export const scriptNames: readonly string[] = readdirSync(FOLDER).map((file) => file.replace('.txt', ''))

export const readScript = (name: string): readonly Line[] =>
  parseScript(readFileSync(join(FOLDER, `${name}.txt`), 'utf8'))

export const parseScript = (text: string): readonly Line[] =>
  text
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.startsWith('#'))
    .map(parseLine)

function parseLine(text: string): Line {
  const [, save, command = '', arrow, wanted = ''] = /^\s*(?:(\w+) = )?(.*?)(?:\s+(=>|~>)\s*(.*))?$/.exec(text) ?? []
  const refused = wanted.startsWith('!')
  return {
    text: command,
    words: command.trim().split(/\s+/),
    save,
    wanted: (refused ? wanted.slice(1) : wanted).split(' && ').map((each) => each.trim()),
    becomes: refused ? 'refused' : arrow === '~>' ? 'printed after a while' : 'printed',
  }
}

/** `names`: what `$name` stands for before anything is saved. */
export async function expectAll(
  door: readonly string[],
  lines: readonly Line[],
  names: Readonly<Record<string, string>> = {},
): Promise<void> {
  const known = new Map(Object.entries(names))
  const named = (text: string): string => text.replaceAll(/\$(\w+)/g, (whole, name: string) => known.get(name) ?? whole)
  const outcomes = await openstack(
    door,
    lines.map(({ words, save, wanted, becomes }) => ({
      arguments: words.map(named),
      ...(save !== undefined && { save }),
      ...(becomes === 'printed after a while' && { until: wanted.map(named) }),
    })),
  )
  for (const [i, { text, save, wanted, becomes }] of lines.entries()) {
    const { code, out, err } = outcomes[i] ?? { code: null, out: '', err: '' }
    if (save !== undefined) known.set(save, out.trim())
    // Options that the client itself calls deprecated are tried as well.
    const said = err.replaceAll(/^.* deprecated .*\n/gm, '')
    if (becomes === 'refused') expect([text, code]).toEqual([text, 1])
    else expect([text, code, said]).toEqual([text, 0, ''])
    for (const part of wanted) {
      expect([text, becomes === 'refused' ? said : out]).toEqual([text, expect.stringContaining(named(part))])
    }
  }
}
