// A chart of lines over logarithmic axes as SVG, for docs/: enough to see what grows with what.
interface Series {
  readonly name: string
  readonly colour: string
  readonly values: readonly number[]
}

export interface Chart {
  readonly title: string
  readonly xLabel: string
  readonly yLabel: string
  /** Where the values of all series are. */
  readonly x: readonly number[]
  readonly series: readonly Series[]
}

const WIDTH = 720
const HEIGHT = 420
const LEFT = 70
const RIGHT = 230
const TOP = 40
const BOTTOM = 50

/** Powers of ten around all values. */
function decades(values: readonly number[]): number[] {
  const first = Math.floor(Math.log10(Math.min(...values)))
  const last = Math.max(first + 1, Math.ceil(Math.log10(Math.max(...values))))
  return Array.from({ length: last - first + 1 }, (_, i) => 10 ** (first + i))
}

const escape = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
const text = (x: number, y: number, anchor: string, content: string, more = ''): string =>
  `<text x="${x}" y="${y}" text-anchor="${anchor}"${more}>${escape(content)}</text>`

/** Maps a range of values to a range of pixels by their logarithms. */
const scale = (from: number, to: number, start: number, end: number) => (value: number) =>
  Math.round(start + ((Math.log10(value) - Math.log10(from)) / (Math.log10(to) - Math.log10(from))) * (end - start))

export function lineChart({ title, xLabel, yLabel, x, series }: Chart): string {
  const ticks = decades(series.flatMap(({ values }) => values))
  const [right, bottom] = [WIDTH - RIGHT, HEIGHT - BOTTOM]
  const across = scale(Math.min(...x), Math.max(...x), LEFT, right)
  const up = scale(ticks[0] as number, ticks.at(-1) as number, bottom, TOP)
  const grid = ticks.flatMap((tick) => [
    `<line x1="${LEFT}" y1="${up(tick)}" x2="${right}" y2="${up(tick)}" stroke="#ddd"/>`,
    text(LEFT - 8, up(tick) + 4, 'end', String(Number(tick.toPrecision(1)))),
  ])
  const columns = x.map((each) => text(across(each), bottom + 18, 'middle', String(each)))
  const lines = series.flatMap(({ name, colour, values }, i) => {
    const points = values.map((value, at) => `${across(x[at] as number)},${up(value)}`)
    const key = TOP + 20 * i
    return [
      `<polyline points="${points.join(' ')}" fill="none" stroke="${colour}" stroke-width="2"/>`,
      ...points.map((point) => `<circle cx="${point.replace(',', '" cy="')}" r="3" fill="${colour}"/>`),
      `<line x1="${right + 12}" y1="${key}" x2="${right + 32}" y2="${key}" stroke="${colour}" stroke-width="2"/>`,
      text(right + 38, key + 4, 'start', name),
    ]
  })
  const middle = (TOP + bottom) / 2
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    text(LEFT, 22, 'start', title, ' font-size="15"'),
    ...grid,
    ...columns,
    text((LEFT + right) / 2, HEIGHT - 12, 'middle', xLabel),
    text(16, middle, 'middle', yLabel, ` transform="rotate(-90 16 ${middle})"`),
    ...lines,
    '</svg>',
    '',
  ].join('\n')
}
