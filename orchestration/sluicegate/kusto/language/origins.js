// What the columns of a query are made of, of the tables, views and stored functions that it names itself.
// A stored function's own columns are where a way ends: what they are made of is told of that function.
// Where the parser's symbols do not tell, all columns count that are there: never too little.
"use strict";
var sluiceOrigins = function (tools) {
  const { S, K, listed, nameOf, kindNames, entityOf } = tools;
  // In the order of `core.column_origins.Kind`: of two steps the later one counts.
  const IDENTITY = 0, PICK = 1, TRANSFORMATION = 2, CONDITIONAL = 3, MEASURE = 4;
  const SORT = 6, GROUP_BY = 7, JOIN = 8, FILTER = 9;
  // What a scalar function gives has no name.
  const VALUE = "value";
  const CARRYING = /^(?:As|AssertSchema|Consume|Count|ExecuteAndCache|Extend|GetSchema|Parse|ParseKv|Print|Project(?:Away|ByNames|Keep|Rename|Reorder)?|Range|Render|Sample|Serialize|Take|Union)Operator$/;
  const ROWS = [[/^(?:Sort|Top)Operator$/, SORT], [/^(?:Join|Lookup)Operator$/, JOIN],
    [/^(?:Summarize|Distinct|MakeSeries|TopNested|TopHitters|Partition|PartitionBy|SampleDistinct)Operator$/, GROUP_BY]];
  // What makes columns that no symbol tells of, or out of anything.
  const BLIND = /^(?:Bad|Evaluate|Facet|Find|Fork|Graph\w+|MacroExpand|MakeGraph|ReduceBy|Scan|Search)\w*Operator$/;
  // What makes columns by what it says, not by an expression for each.
  const MAKING = /^(?:MakeSeries|MvApply|MvExpand|Parse|ParseKv|ParseWhere|TopHitters)Operator$/;
  // Kusto's own functions that read columns which they do not name.
  const EVERY = new Set(["pack_all", "bag_pack_columns"]);
  const IF_THERE = new Set(["column_ifexists", "columnifexists"]);
  const PICKS = /^(?:arg_)?(?:min|max)(?:if)?$|^(?:any|take_any)(?:if)?$|^make_(?:list|set|bag)|^make(?:list|set)$/;
  let aggregates = null;

  // What is not understood at all: whoever asks takes every column of everything that it reads.
  const UNKNOWN = "query";

  return function (code, state) {
    try {
      return told(code, state);
    } catch (error) {
      const columns = listed(code.ResultType && code.ResultType.Columns).map((one) => [one.Name, []]);
      return { columns, rows: [], named: [], blind: [UNKNOWN] };
    }
  };

  function told(code, state) {
    const named = new Set(), blind = new Set();
    const isTable = (type) => type instanceof S.TableSymbol;
    const { made, into, after, frame, put, everything, ofEntity, matching, byName, key } = sluiceFrames(listed);

    // What a column that a text names is made of.
    function resolved(symbol, scope) {
      const found = matching(symbol, scope.frames, true);
      const values = new Set();
      for (const [, column] of found) {
        into(values, column.values);
        for (const one of [...column.values, ...column.clash]) named.add(one.slice(1));
      }
      if (found.length) return values;
      if (scope.outer && scope.outer.frames.length) return resolved(symbol, scope.outer);
      if (symbol.Source && !scope.within.has(symbol)) {
        const within = new Set(scope.within).add(symbol);
        return after(valuesOf(symbol.Source, { ...scope, within }), TRANSFORMATION);
      }
      const table = state.GetTable(symbol);
      if (table) {
        const place = key(entityOf(table, state) || "table", table.Name, symbol.Name);
        named.add(place);
        return new Set([made(IDENTITY, place)]);
      }
      return after(everything(scope.frames), TRANSFORMATION);
    }

    // What a scalar expression is worked out of; one column alone is the value itself.
    function valuesOf(element, scope) {
      if (!element) return new Set();
      const kind = kindNames[element.Kind], symbol = element.ReferencedSymbol;
      if (kind === "SimpleNamedExpression" || kind === "CompoundNamedExpression" || kind === "ParenthesizedExpression")
        return valuesOf(element.Expression, scope);
      if (isTable(element.ResultType) && element.ResultType !== element.Parent && isQuery(element)) {
        const found = evaluated(element, scope);
        return after(into(new Set(found.rows), everything([found])), TRANSFORMATION);
      }
      if (kind === "NameReference" && symbol) {
        if (nameOf(element.Name || {}) === "*") return everything(scope.frames);
        if (symbol instanceof S.ColumnSymbol)
          return scope.joined ? joinedBy(symbol, scope) : resolved(symbol, scope);
        if (scope.names.has(symbol.Name)) return after(ofName(symbol.Name, scope), TRANSFORMATION);
        if (symbol instanceof S.GroupSymbol)
          return listed(symbol.Members).reduce((all, one) => into(all, one instanceof S.ColumnSymbol
            ? resolved(one, scope) : []), new Set());
        const own = entityOf(symbol, state);
        return own === "function" ? new Set([made(TRANSFORMATION, key(own, symbol.Name, VALUE))]) : new Set();
      }
      if (kind === "PathExpression" && scope.joined) scope = { ...scope, joined: false };  // `$left.key`
      if (kind === "StarExpression") return scope.parsing ? new Set() : after(everything(scope.frames), TRANSFORMATION);
      if (kind === "FunctionCallExpression") return ofCall(element, scope);
      const found = new Set();
      for (const child of children(element)) into(found, valuesOf(child, scope));
      // A list of expressions, or one around one, is no work.
      return children(element).length === 1 || !/Expression$/.test(kind) ? found : after(found, TRANSFORMATION);
    }

    // `on key` is of both sides.
    function joinedBy(symbol, scope) {
      const found = new Set(resolved(symbol, scope));
      for (const [, column] of byName(symbol.Name, scope.frames)) {
        into(found, column.values);
        for (const one of column.values) named.add(one.slice(1));
      }
      return found;
    }

    function ofName(name, scope) {
      const known = scope.names.get(name);
      if (known instanceof Set) return known;
      if (known.columns) return after(into(new Set(known.rows), everything([known])), TRANSFORMATION);
      return new Set();
    }

    const given = (call) => listed(call.ArgumentList.Expressions).map((one) => one.Element);

    function ofCall(call, scope) {
      const name = nameOf(call.Name), symbol = call.ReferencedSymbol, found = new Set();
      for (const one of given(call)) into(found, valuesOf(one, scope));
      if (EVERY.has(name)) into(found, everything(scope.frames));
      if (IF_THERE.has(name)) {
        const first = given(call)[0], text = first && first.IsLiteral ? String(first.LiteralValue) : null;
        const there = text === null ? [] : byName(text, scope.frames);
        if (text === null) into(found, everything(scope.frames));
        for (const [, column] of there) into(found, column.values);
      }
      if (!aggregates) aggregates = new Set(listed(K.Aggregates.All));
      if (symbol && aggregates.has(symbol)) return after(found, PICKS.test(name) ? PICK : MEASURE);
      const own = entityOf(symbol, state);
      if (own === "function") found.add(made(TRANSFORMATION, key(own, symbol.Name, VALUE)));
      const local = scope.names.get(name);
      if (local && local.declaration) {
        const body = called(local, [], scope);
        into(found, body.value);
        into(found, everything([body]));
        into(found, body.rows);
      }
      return after(found, TRANSFORMATION);
    }

    // Whether an element gives a table by itself, not a part of the operator that it stands in.
    function isQuery(element) {
      const kind = kindNames[element.Kind];
      return /^(?:PipeExpression|NameReference|FunctionCallExpression|DataTableExpression|DataScopeExpression|ParenthesizedExpression|MaterializedViewCombineExpression|PathExpression|ElementExpression|ExternalDataExpression|ContextualDataTableExpression|InlineExternalTableExpression|PartitionSubquery|PartitionQuery)$/.test(kind)
        || /Operator$/.test(kind);
    }

    function children(element) {
      const found = [];
      for (let i = 0; i < element.ChildCount; i++) {
        const child = element.GetChild(i);
        if (child && !child.IsToken) found.push(child);
      }
      return found;
    }

    // Queries within an element, outermost ones alone.
    function queriesIn(element) {
      const found = [];
      for (const child of children(element)) {
        if (isTable(child.ResultType) && isQuery(child)) found.push(child);
        else found.push(...queriesIn(child));
      }
      return found;
    }

    // The columns of a result, of which those of some tables are known; what is in none of these may be any of
    // the others'.
    function carried(result, sources, others) {
      const found = frame();
      for (const one of sources) into(found.rows, one.rows);
      for (const column of listed(result && result.Columns)) {
        let same = matching(column, sources, true);
        if (!same.length) same = matching(column, others || [], true);
        const values = new Set(), clash = new Set();
        for (const [, one] of same) { into(values, one.values); into(clash, one.clash); }
        if (!same.length || sources.some((one) => one.dark))
          into(values, after(everything([...sources, ...others || []]), TRANSFORMATION));
        put(found, column, values, clash);
      }
      found.dark = sources.some((one) => one.dark);
      if (result && result.IsOpen) found.loose = [...sources, ...others || []];
      return found;
    }

    // A table that an expression gives.
    function evaluated(element, scope) {
      const kind = kindNames[element.Kind], symbol = element.ReferencedSymbol;
      if (kind === "PipeExpression") {
        const left = evaluated(element.Expression, scope);
        return operated(element.Operator, left, scope, element.ResultType);
      }
      if (kind === "ParenthesizedExpression" || kind === "DataScopeExpression")
        return evaluated(element.Expression, scope);
      if (kind === "FunctionCallExpression") return calling(element, [], scope);
      if (kind === "NameReference" && symbol && scope.names.has(symbol.Name)) {
        const known = scope.names.get(symbol.Name);
        if (known.declaration) return called(known, [], scope);
        const found = known.columns ? carried(element.ResultType, [known]) : frame();
        // What a function is given may have more columns than its parameter says.
        if (known.given) found.loose = [known];
        return found;
      }
      const own = entityOf(symbol, state) || entityOf(element.ResultType, state);
      if (own) {
        const of = entityOf(symbol, state) ? symbol : element.ResultType;
        return ofEntity(own, of, listed(element.ResultType.Columns));
      }
      if (/Operator$/.test(kind)) return operated(element, scope.input || frame(), scope, element.ResultType);
      const inner = queriesIn(element).map((one) => evaluated(one, scope));
      if (inner.length || kind === "NameReference") return carried(element.ResultType, inner);
      const found = frame();
      for (const column of listed(element.ResultType && element.ResultType.Columns)) put(found, column, new Set());
      return found;
    }

    // A call that gives a table; `first` is what `invoke` gives it.
    function calling(call, first, scope) {
      const name = nameOf(call.Name), symbol = call.ReferencedSymbol, result = call.ResultType;
      const tables = [...first], scalars = new Set();
      for (const one of given(call)) {
        if (isTable(one.ResultType)) tables.push(evaluated(one, scope));
        else into(scalars, valuesOf(one, scope));
      }
      const local = scope.names.get(name);
      let found;
      if (local && local.declaration) {
        const body = called(local, tables, scope);
        found = carried(result, [body], tables);
      } else if (entityOf(symbol, state) === "function") {
        found = ofEntity("function", symbol, listed(result && result.Columns));
        for (const signature of listed(symbol.Signatures))
          listed(signature.Parameters).filter((one) => one.IsTabular).forEach((one, place) => {
            for (const type of listed(one.DeclaredTypes))
              for (const column of listed(type.Columns)) needed(column.Name, tables[place] ? [tables[place]] : tables);
          });
        for (const [column, one] of found.columns) {
          const same = matching(column, tables, false);
          for (const [, other] of same) into(one.values, other.values);
          if (!same.length) into(one.values, after(everything(tables), TRANSFORMATION));
        }
        into(found.rows, after(everything(tables), FILTER));
      } else {
        const own = entityOf(result, state);
        found = own ? ofEntity(own, result, listed(result.Columns)) : carried(result, tables);
      }
      for (const one of tables) into(found.rows, one.rows);
      into(found.rows, after(scalars, FILTER));
      return found;
    }

    function needed(name, frames) {
      for (const [, column] of byName(name, frames))
        for (const one of column.values) named.add(one.slice(1));
    }

    // A local function's body, where it is called.
    function called(local, tables, scope) {
      if (!tables.length) {
        if (!local.given) local.given = applied(local, tables, scope);
        return local.given;
      }
      return applied(local, tables, scope);
    }

    function applied(local, tables, scope) {
      if (scope.depth > 20) return { ...carried(null, tables), value: new Set() };
      const names = new Map(local.names);
      let place = 0;
      for (const one of listed(local.declaration.Parameters.Parameters)) {
        const parameter = one.Element.NameAndType, name = nameOf(parameter.Name), type = kindNames[parameter.Type.Kind];
        if (type === "SchemaTypeExpression") {
          const table = tables[place++];
          for (const column of listed(parameter.Type.Columns).map((of) => of.Element))
            if (column && column.Name) needed(nameOf(column.Name), table ? [table] : []);
          names.set(name, { ...table || frame(), given: true });
        } else names.set(name, new Set());
      }
      return block(local.declaration.Body, { ...scope, names, frames: [], outer: null, input: null, joined: false,
        depth: scope.depth + 1 });
    }

    function operated(op, input, scope, result) {
      const kind = kindNames[op.Kind];
      result = isTable(op.ResultType) ? op.ResultType : result;
      const inner = { ...scope, input, outer: { ...scope }, frames: [input] };
      if (kind === "AsOperator") scope.names.set(nameOf(op.Name), input);
      if (kind === "InvokeOperator") return calling(op.Function, [input], inner);
      // Tables beside the one that comes in; those in an expression are a part of its value.
      const beside = /^(?:Join|Lookup|Union|Find|Search|Fork|Facet|Partition|PartitionBy|MvApply|MacroExpand|Graph\w*|MakeGraph)Operator$/.test(kind)
        ? besideOf(op).map((one) => evaluated(one, inner)) : [];
      if (/^(?:Union|Find|Search)Operator$/.test(kind) && reachesAll(op, input, beside))
        for (const one of listed(state.Database.Tables).concat(listed(state.Database.MaterializedViews)))
          beside.push(ofEntity(entityOf(one, state), one, listed(one.Columns)));
      const frames = [input, ...beside];
      const here = { ...inner, frames, joined: /^(?:Join|Lookup)Operator$/.test(kind),
        parsing: /^Parse/.test(kind) };
      const parts = children(op).filter((one) => !(beside.length && (isTable(one.ResultType) && isQuery(one))));
      const all = new Set();
      for (const one of parts) into(all, refs(one, here, beside.length > 0));
      const found = frame();
      for (const one of frames) into(found.rows, one.rows);
      const expanded = /^MvExpand/.test(kind) ? symbolsIn(op) : new Set();
      const dark = BLIND.test(kind) || (result && result.IsOpen && kind !== "InvokeOperator" && !input.loose.length
        && /^(?:Evaluate)/.test(kind));
      if (dark) blind.add(kind);
      // What a summary is made by comes first.
      let by = kind === "SummarizeOperator" && op.ByClause ? listed(op.ByClause.Expressions).length : 0;
      const chosen = kind === "SummarizeOperator" ? choosing(op.Aggregates, here) : new Set();
      for (const column of listed(result && result.Columns)) {
        const same = kind === "JoinOperator" || kind === "LookupOperator"
          ? joinedColumn(op, column, input, beside) : matching(column, frames, false);
        const values = new Set(), clash = new Set();
        const direct = same.filter(([other]) => other === column && input.columns.has(other) || (other === column && kind !== "MvApplyOperator"));
        for (const [, one] of direct.length ? direct : same) { into(values, one.values); into(clash, one.clash); }
        if (!same.length && column.Source)
          into(values, valuesOf(column.Source, { ...here, within: new Set([column]) }));
        const untold = MAKING.test(kind) ? !values.size : !same.length && !column.Source;
        if (untold && !/^(?:Count|GetSchema)Operator$/.test(kind) && !namesTable(op, column)) {
          const some = kind === "MakeSeriesOperator" || !MAKING.test(kind) ? byName(column.Name, frames) : [];
          for (const [, one] of some) into(values, one.values);
          if (!some.length) into(values, all.size ? all : everything(frames));
        }
        let how = IDENTITY;
        if (kind === "SummarizeOperator") {
          if (by-- <= 0) {
            how = PICK;
            if (same.length) into(values, chosen);
          }
        } else if (kind === "TopHittersOperator" && !direct.length) how = MEASURE;
        else if ((MAKING.test(kind) && (!direct.length || expanded.has(column))) || (!same.length && untold))
          how = TRANSFORMATION;
        const now = how ? after(values, how) : values;
        // What it would be called if another column of its name were not there.
        for (const original of [...same.map(([other]) => other), ...listed(column.OriginalColumns)])
          if (original.Name !== column.Name && /^(?:Join|Lookup|Union)Operator$/.test(kind))
            for (const [, other] of byName(original.Name, frames)) into(clash, after(other.values, JOIN));
        if (dark) into(now, after(everything(frames), TRANSFORMATION));
        put(found, column, now, clash);
      }
      if (!isTable(result) || result.IsOpen) found.loose = frames;
      found.dark = dark || frames.some((one) => one.dark);
      if (dark) into(found.rows, after(everything(frames), FILTER));
      if (!CARRYING.test(kind)) {
        const how = (ROWS.find(([of]) => of.test(kind)) || [null, FILTER])[1];
        const deciding = new Set();
        if (kind === "SummarizeOperator" || kind === "MakeSeriesOperator") {
          for (const clause of [op.ByClause, op.OnClause, op.RangeClause])
            if (clause) into(deciding, refs(clause, here, false));
        } else into(deciding, all);
        into(found.rows, after(deciding, how));
      }
      return found;
    }

    // The column of a join: of the two sides, the one that has it as it is called now.
    function joinedColumn(op, column, input, beside) {
      const right = listed(op.Parameters).some((one) => nameOf(one.Name) === "kind"
        && /^right(?:semi|anti)/.test(one.Expression.toString().trim()));
      const left = matching(column, right ? beside : [input], false).filter(([other]) => other === column);
      if (left.length) return left;
      const found = matching(column, beside, false);
      const renamed = listed(column.OriginalColumns).every((one) => one.Name !== column.Name);
      return found.length && renamed ? found : matching(column, [input, ...beside], false);
    }

    // Columns that stand as they are, without a new name.
    function symbolsIn(element) {
      const found = new Set();
      for (const child of children(element)) {
        if (kindNames[child.Kind] === "SimpleNamedExpression") continue;
        if (child.ReferencedSymbol instanceof S.ColumnSymbol) found.add(child.ReferencedSymbol);
        for (const one of symbolsIn(child)) found.add(one);
      }
      return found;
    }

    // By which columns it is told which row's values are taken.
    function choosing(element, scope) {
      const found = new Set();
      for (const child of children(element)) {
        if (kindNames[child.Kind] === "FunctionCallExpression" && /^arg_?(?:min|max)/.test(nameOf(child.Name)))
          into(found, after(valuesOf(given(child)[0], scope), CONDITIONAL));
        else into(found, choosing(child, scope));
      }
      return found;
    }

    // Columns that say nothing of a value: of which table a row is, or which place in a list.
    function namesTable(op, column) {
      return listed(op.Parameters || []).some((one) => /^(?:withsource|with_source|with_itemindex|kind)$/i.test(nameOf(one.Name))
        && nameOf(one.Expression || {}) === column.Name);
    }

    // Whether an operator reads tables that it does not name.
    function reachesAll(op, input, beside) {
      if (kindNames[op.Kind] !== "UnionOperator") return !input.columns.size && !beside.length;
      const wild = (element) => /WildcardedName$/.test(kindNames[element.Kind]) || children(element).some(wild);
      return wild(op);
    }

    function besideOf(op) {
      const found = [];
      for (const child of children(op)) {
        if (isTable(child.ResultType) && isQuery(child)) found.push(child);
        else if (/List|Clause|Separated|Subquery|Expression|Condition/.test(kindNames[child.Kind] || "List")
          && !/^(?:Join(?:On|Where)Clause)$/.test(kindNames[child.Kind])) found.push(...queriesIn(child));
      }
      return found;
    }

    function refs(element, scope, skipQueries) {
      if (skipQueries && isTable(element.ResultType) && isQuery(element)) return new Set();
      const found = new Set();
      if (/Expression$|^NameReference$/.test(kindNames[element.Kind])) return valuesOf(element, scope);
      for (const child of children(element)) into(found, refs(child, scope, skipQueries));
      return found;
    }

    // Statements one after the other; the last gives the table, or a value.
    function block(element, scope) {
      const statements = listed(element.Statements).map((one) => one.Element).filter(Boolean);
      const result = { last: null };
      for (const one of statements) {
        const kind = kindNames[one.Kind];
        if (kind === "LetStatement") scope.names.set(nameOf(one.Name), letOf(one.Expression, scope));
        else if (kind === "ExpressionStatement") result.last = one.Expression;
      }
      const last = element.Expression || result.last;
      if (!last) return { ...frame(), value: new Set() };
      if (kindNames[last.Kind] === "FunctionDeclaration") return block(last.Body, scope);
      if (isTable(last.ResultType)) return { ...evaluated(last, scope), value: new Set() };
      return { ...frame(), value: valuesOf(last, scope) };
    }

    function letOf(expression, scope) {
      const kind = kindNames[expression.Kind];
      if (kind === "FunctionDeclaration") return { declaration: expression, names: new Map(scope.names) };
      if (kind === "MaterializeExpression") return letOf(expression.Expression, scope);
      return isTable(expression.ResultType) ? evaluated(expression, scope) : valuesOf(expression, scope);
    }

    const scope = { names: new Map(), frames: [], outer: null, input: null, within: new Set(), joined: false, depth: 0 };
    const statements = listed(code.Syntax.Statements).map((one) => one.Element).filter(Boolean);
    const declared = statements.length === 1 && kindNames[statements[0].Kind] === "LetStatement"
      && kindNames[statements[0].Expression.Kind] === "FunctionDeclaration" && statements[0].Expression;
    let whole;
    if (declared) {
      for (const one of listed(declared.Parameters.Parameters)) {
        const parameter = one.Element.NameAndType, table = kindNames[parameter.Type.Kind] === "SchemaTypeExpression";
        scope.names.set(nameOf(parameter.Name), table ? frame() : new Set());
      }
      whole = block(declared.Body, scope);
    } else whole = block(code.Syntax, scope);
    const written = (found) => [...found].sort().map((one) => [...JSON.parse(one.slice(1)), +one[0]]);
    const columns = [...whole.columns.values()].map((one) => [one.name, written(new Set([...one.values, ...one.clash]))]);
    if (whole.value.size && !columns.length) columns.push([VALUE, written(whole.value)]);
    return { columns, rows: written(after(whole.rows, SORT)), named: [...named].sort().map((one) => JSON.parse(one)),
      blind: [...blind].sort() };
  }
};
