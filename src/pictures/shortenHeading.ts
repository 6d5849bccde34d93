/** As much of a heading as fits its picture; the picture's title has all of it. */
export function shortenHeading(text: string, width: number): string {
  const maxLength = Math.floor(width / characterWidth);
  return text.length > maxLength ? `${text.slice(0, maxLength - 1)}…` : text;
}

/** Average width of a heading's character in pixels. */
const characterWidth = 7.2;
