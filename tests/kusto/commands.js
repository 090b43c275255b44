// Texts of each command of Microsoft's grammar, made from the parser's own objects: of each alternative the first
// or the last, of what is optional nothing or all, and for what is no word something that is one of its kind.
(function () {
  const K = Kusto.Language, P = K.Parsing;
  const proto = P.EngineCommandGrammar.prototype, own = proto.CreateCommandParsers;
  let all = null;
  proto.CreateCommandParsers = function (rules) {
    all = own.call(this, rules);
    return System.Array.init([], P.CommandGrammar.CommandParserInfo);
  };
  try { new P.EngineCommandGrammar(K.GlobalState.Default); } finally { proto.CreateCommandParsers = own; }

  const given = {
    "string-literal": "'x'", "literal": "1", "name": "x", "value": "1", "guid": "guid(74be27de-1e4e-49d9-b579-fe0b331d3642)",
    "long": "1", "int": "1", "timespan": "1d", "datetime": "datetime(2024-01-01)", "bool": "true", "type": "int",
    "input": "<| T", "query_input": "T", "script_input": ".show tables", "function_declaration": "() { T }",
    "function_body": "{ T }", "json": "{}", "bracketed-input-text": "[a]", "bracketed_input_data": "[a]",
    "number": "1", "parameters": "()",
  };
  const listOf = (one) => one ? (Array.isArray(one) ? one : (() => {
    const found = []; const each = Bridge.getEnumerator(one); while (each.moveNext()) found.push(each.Current); return found;
  })()) : [];
  const kindOf = (parser) => Bridge.getTypeName(parser).replace(/^[\w.]*\.(\w+)`.*$/s, "$1");
  let all_optional = false, last = false;

  function text(parser, depth) {
    if (!parser || depth > 60) return "";
    const kind = kindOf(parser);
    const items = listOf(parser.Annotations).map((one) => one && one.DisplayText).filter(Boolean);
    const tag = (parser.Tag || "").replace(/^'(.*)'$/, "$1") || items[0] || "";
    const word = tag.replace(/^<|>$/g, "").toLowerCase();
    if (tag.startsWith("<") && given[word] !== undefined) return given[word];
    const many = () => listOf(parser.Parsers || parser._parsers).map((one) => text(one, depth + 1)).join(" ");
    switch (kind) {
      case "SequenceParser": case "RuleParser": return many();
      case "FirstParser": case "BestParser": {
        const some = listOf(parser.Parsers || parser._parsers);
        return text(some[last ? some.length - 1 : 0], depth + 1);
      }
      case "OptionalParser": return all_optional ? text(parser.Parser, depth + 1) : "";
      case "ZeroOrMoreParser": case "NotParser": case "FailsParser": return "";
      case "IfParser": return text(parser.Parser, depth + 1);
      case "ApplyParser": return text(parser.LeftParser, depth + 1);
      case "OneOrMoreParser": case "RequiredParser": case "ConvertParser": case "ForwardParser": case "MapParser":
      case "ProduceParser": case "LimitParser": case "StackSafeParser": {
        const inner = parser.Parser || parser.Limited || parser.Pattern || (parser.DeferredParser && parser.DeferredParser());
        if (inner) return text(inner, depth + 1);
      }
    }
    if (tag && !tag.startsWith("<")) return tag.split("|")[0];
    return word ? "x" : "";
  }
  const made = (optional, final) => all.map((info) => {
    [all_optional, last] = [optional, final];
    return text(info.Parser, 0).replace(/^\. /, ".").replace(/ +/g, " ").trim();
  });
  const variants = [[false, false], [true, false], [false, true], [true, true]].map((one) => made(...one));
  return JSON.stringify(all.map((info, place) => [info.Kind, variants.map((one) => one[place])]));
})()
