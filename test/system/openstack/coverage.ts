// Which commands and options of the help the scripts use, and what they leave out.
import type { HelpPage } from './help.ts'
import type { Line } from './script.ts'
import { absentCommands, refusedOptions } from './unavailable.ts'

export interface Coverage {
  /** Commands and options that no script uses with success, and that unavailable.ts does not account for. */
  readonly untried: readonly string[]
  /** What unavailable.ts names, but that the help does not have, that no script tries, or that works. */
  readonly unproved: readonly string[]
}

export function coverage(pages: readonly HelpPage[], lines: readonly Line[]): Coverage {
  const uses = Map.groupBy(lines, ({ words }) => commandOf(words, pages))
  const accepted = (command: string): Line[] => (uses.get(command) ?? []).filter((each) => each.becomes !== 'refused')
  const refused = (command: string): Line[] => (uses.get(command) ?? []).filter((each) => each.becomes === 'refused')
  const untried = pages.flatMap(({ command, options }) => {
    if (familyOf(command) !== undefined) return []
    const tried = new Set(accepted(command).flatMap(({ words }) => words))
    const rest = options.filter((option) => !tried.has(option)).map((option) => `${command} ${option}`)
    return [...(tried.size === 0 ? [command] : []), ...rest.filter((each) => !Object.hasOwn(refusedOptions, each))]
  })
  const absent = pages.filter(({ command }) => familyOf(command) !== undefined).map(({ command }) => command)
  const stale = Object.keys(absentCommands).filter((family) => !absent.some((each) => familyOf(each) === family))
  const unprovedCommands = absent.filter((each) => accepted(each).length > 0 || refused(each).length === 0)
  const unprovedOptions = Object.entries(refusedOptions).filter(([each, [named]]) => {
    const at = each.lastIndexOf(' ')
    const [command, option] = [each.slice(0, at), each.slice(at + 1)]
    const has = ({ words }: Line): boolean => words.includes(option)
    const isNamed = ({ wanted }: Line): boolean => wanted.some((text) => text.includes(named))
    const known = pages.some((page) => page.command === command && page.options.includes(option))
    return !known || accepted(command).some(has) || !refused(command).some((line) => has(line) && isNamed(line))
  })
  return { untried, unproved: [...stale, ...unprovedCommands, ...unprovedOptions.map(([each]) => each)] }
}

const begins = (words: string, command: string): boolean => words === command || words.startsWith(`${command} `)

/** The longest command that a line begins with. */
function commandOf(words: readonly string[], pages: readonly HelpPage[]): string {
  const fitting = pages.filter(({ command }) => begins(words.join(' '), command)).map(({ command }) => command)
  return fitting.toSorted((a, b) => b.length - a.length)[0] ?? ''
}

const familyOf = (command: string): string | undefined =>
  Object.keys(absentCommands).find((family) => begins(command, family))
