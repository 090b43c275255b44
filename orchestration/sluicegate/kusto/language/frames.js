// Tables on their way through a query: each column by the parser's symbol, with what it is made of.
// Belongs here: finding a column again under another name. Does not: operators (`origins.js`).
"use strict";
var sluiceFrames = function (listed) {
  // Origins are {influence + key}.
  const made = (influence, place) => influence + place;
  const into = (target, found) => { for (const one of found) target.add(one); return target; };
  const after = (found, influence) => new Set(
    [...found].map((one) => (+one[0] < influence ? influence + one.slice(1) : one)));

  const key = (kind, name, column) => JSON.stringify([kind, name, column]);
  // A table: each column by its symbol, with its name, what it is made of, and what only decides how it is called.
  // `loose` are tables whose columns it may have as well; `dark`: nobody knows out of which.
  const frame = () => ({ columns: new Map(), rows: new Set(), loose: [], dark: false });
  const put = (into_, symbol, values, clash) => {
    const places = new Set([...values].map((one) => one.slice(1)));
    into_.columns.set(symbol, { name: symbol.Name, values,
      clash: new Set([...(clash || [])].filter((one) => !places.has(one.slice(1)))) });
  };
  function everything(frames) {
    const found = new Set();
    for (const one of frames) {
      if (!one.whole || one.whole.size !== one.columns.size) {
        const values = new Set();
        for (const column of one.columns.values()) into(values, column.values);
        one.whole = { size: one.columns.size, values };
      }
      into(into(found, one.whole.values), everything(one.loose));
    }
    return found;
  }

  function ofEntity(kind, symbol, columns) {
    const found = frame();
    for (const column of columns)
      put(found, column, new Set([made(0, key(kind, symbol.Name, column.Name))]));
    return found;
  }

  // The columns of a table by their symbols, and by those that they are renamed from.
  function indexed(one) {
    if (one.index && one.index.size === one.columns.size) return one.index.of;
    const of = new Map();
    const add = (symbol, entry) => (of.get(symbol) || of.set(symbol, []).get(symbol)).push(entry);
    for (const entry of one.columns) {
      add(entry[0], entry);
      for (const original of listed(entry[0].OriginalColumns)) if (original !== entry[0]) add(original, entry);
    }
    one.index = { size: one.columns.size, of };
    return of;
  }

  // The parser's symbol of a column is that of the table where it began, or says which that was: what a
  // column is among those that come in, under whatever name.
  function matching(symbol, frames, deep) {
    const found = [], seen = new Set(), originals = listed(symbol.OriginalColumns);
    const add = (entry) => {
      if (!seen.has(entry)) found.push(entry);
      seen.add(entry);
    };
    for (const one of frames) {
      const of = indexed(one);
      for (const entry of of.get(symbol) || [])
        if (entry[0] === symbol || originals.length || entry[0].Name === symbol.Name) add(entry);
      for (const original of originals) (of.get(original) || []).forEach(add);
    }
    if (found.some(([other]) => other === symbol)) return found;
    if (found.length || !deep) return found;
    return byName(symbol.Name, frames);
  }

  function byName(name, frames) {
    const found = [];
    for (const one of frames) {
      for (const [other, column] of one.columns) if (column.name === name) found.push([other, column]);
      found.push(...byName(name, one.loose));
    }
    return found;
  }

  return { made, into, after, frame, put, everything, ofEntity, matching, byName, key };
};
