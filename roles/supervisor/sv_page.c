#include "roles/supervisor/sv_page.h"

#include <string.h>

#include "core/net/http_server.h"

static const char page[] =
	"<!doctype html><html lang=en><meta charset=utf-8><title>supervisor</title>\n"
	"<meta name=viewport content='width=device-width'>\n"
	"<style>body{font:14px/1.5 system-ui,sans-serif;margin:2em;color:#223;background:#fff}\n"
	"table{border-collapse:collapse}th,td{padding:.3em .9em;text-align:left;"
	"border-bottom:1px solid #dde}\n"
	"button{font:inherit;margin-right:.3em}.RUNNING{color:#080}.FATAL,.BACKOFF{color:#c00}"
	".STOPPED,.EXITED{color:#778}\n"
	"@media(prefers-color-scheme:dark){body{background:#181a20;color:#dde}}</style>\n"
	"<h1>supervisor</h1><p id=error></p><table><thead><tr><th>name<th>state<th>about<th>"
	"<tbody id=list></table>\n"
	"<script>\n"
	"const list=document.getElementById('list'),error=document.getElementById('error');\n"
	"function cell(row,text,css){const td=row.insertCell();td.textContent=text;"
	"if(css)td.className=css;return td}\n"
	"async function act(name,verb){error.textContent='';\n"
	" const r=await fetch('/v1/programs/'+encodeURIComponent(name)+'/'+verb,{method:'POST'});\n"
	" if(!r.ok)error.textContent=(await r.json()).text;show()}\n"
	"async function show(){\n"
	" const all=await(await fetch('/v1/programs')).json();list.replaceChildren();\n"
	" for(const p of all){const full=p.group+':'+p.name,row=list.insertRow();\n"
	"  cell(row,p.group===p.name?p.name:full);cell(row,p.statename,p.statename);"
	"cell(row,p.description);\n"
	"  const td=row.insertCell(),on=[10,20,30].includes(p.state);\n"
	"  for(const verb of on?['restart','stop']:['start']){\n"
	"   const b=document.createElement('button');b.textContent=verb;"
	"b.onclick=()=>act(full,verb);td.append(b)}\n"
	"  const a=document.createElement('a');a.href='/logtail/'+encodeURIComponent(full);"
	"a.textContent='log';td.append(a)}}\n"
	"show();new "
	"EventSource('/events').addEventListener('process',show);setInterval(show,5000);\n"
	"</script>\n";

void sv_page_answer(struct http_call *call)
{
	static const char fields[] =
		"Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
		"X-Frame-Options: DENY\r\n"
		"Content-Security-Policy: default-src 'self'; style-src 'unsafe-inline'; "
		"script-src 'unsafe-inline'\r\n";

	http_reply(call, &(struct http_answer){ 200, "text/html; charset=utf-8", fields, page,
						sizeof(page) - 1 });
}
