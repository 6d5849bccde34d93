/** Every tree of the side panel by its file's name. Written by `npm run generate`. */
export const views: Readonly<Record<string, never>> = {};
