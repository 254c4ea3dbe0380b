// Actions that look into flow tables again, or mark the flow they stand in: resubmit in its three forms, conjunction.
import { formatPort, parsePort, ports } from '../fields/ports.ts'
import { parseTable, parseUint, TextError } from '../text/tokens.ts'
import { errorCodes } from '../wire/errors.ts'
import { pad, u32, u8, zeros } from '../wire/struct.ts'
import { port16 } from './ports.ts'
import { action, nx, type ParseWord, type RowValue } from './row.ts'

/** Stands for the table that the packet is in. */
const THIS_TABLE = 255

const resubmit = action(
  'resubmit',
  nx(1),
  16,
  { port: port16, padding: pad(4) },
  {
    format: ({ port }) => format(port, THIS_TABLE, ''),
  },
)
const tableMembers = { port: port16, table: u8, padding: zeros(3, errorCodes.badActionArgument) }
const resubmitTable = action('resubmit_table', nx(14), 16, tableMembers, {
  format: ({ port, table }) => format(port, table, ''),
  words: { resubmit: parseResubmit },
})
const resubmitTableCt = action('resubmit_table_ct', nx(44), 16, tableMembers, {
  format: ({ port, table }) => format(port, table, ',ct'),
})

function format(port: number, table: number, suffix: string): string {
  if (port !== ports.inPort && table === THIS_TABLE) return `resubmit:${formatPort(port)}`
  return `resubmit(${port === ports.inPort ? '' : formatPort(port)},${table === THIS_TABLE ? '' : table}${suffix})`
}

function parseResubmit(...[text]: Parameters<ParseWord>): ReturnType<ParseWord> {
  const [portText = '', tableText = '', ct = ''] = text.split(',')
  const port = portText === '' ? ports.inPort : parsePort(portText)
  const table = tableText === '' ? THIS_TABLE : parseTable(tableText)
  if (ct !== '' && ct !== 'ct') throw new TextError(`${ct}: unknown parameter`)
  if (port === ports.inPort && table === THIS_TABLE) {
    throw new TextError('at least one "in_port" or "table" must be specified on resubmit')
  }
  return [{ kind: ct === '' ? 'resubmit_table' : 'resubmit_table_ct', port, table }]
}

/** `clause` counts from 0 on the wire and from 1 in text. */
const conjunction = action(
  'conjunction',
  nx(34),
  16,
  { clause: u8, clauses: u8, id: u32 },
  {
    format: ({ id, clause, clauses }) => `conjunction(${id},${clause + 1}/${clauses})`,
    words: { conjunction: parseConjunction },
    check: ({ clause, clauses }, r, at) => {
      const valid = clauses >= 2 && clauses <= 64 && clause < clauses
      if (!valid) r.fail(errorCodes.badConjunction, `clause ${clause} of ${clauses}`, at + 10)
    },
  },
)

function parseConjunction(...[text]: Parameters<ParseWord>): ReturnType<ParseWord> {
  const [, idText, clauseText, clausesText] = /^\s*(\w+)\s*,\s*(\d+)\s*\/\s*(\d+)\s*$/.exec(text) ?? []
  if (idText === undefined || clauseText === undefined || clausesText === undefined) {
    throw new TextError('"conjunction" syntax is "conjunction(id,i/n)"')
  }
  const clause = parseUint(clauseText, 8, 'clause')
  const clauses = parseUint(clausesText, 8, 'number of clauses')
  if (clauses < 2 || clauses > 64) throw new TextError('conjunction must have 2 to 64 clauses')
  if (clause < 1 || clause > clauses) throw new TextError(`clause index must be from 1 to ${clauses}`)
  return [{ kind: 'conjunction', clause: clause - 1, clauses, id: parseUint(idText, 32, 'conjunction id') }]
}

export const tableRows = {
  resubmit,
  resubmit_table: resubmitTable,
  resubmit_table_ct: resubmitTableCt,
  conjunction,
}
export type TableAction = RowValue<typeof tableRows>
