import sys, time, json, socket, threading, random, gc, weakref, logging
from concurrent.futures import ThreadPoolExecutor
from queue import Queue
from tests.families import load_pair
from tests.serve.rig import *
from tests.tiny import picture
import httpx2 as httpx, torch
def test_streamer(tiny_checkpoints, capsys):
    from vistune.infer.streaming import TextStreamer
    class T:
        def convert_ids_to_tokens(self,i): return chr(i)
    class P:
        tokenizer=T()
        def decode(self, ids): return ''.join(map(chr,ids)).strip()
    with capsys.disabled():
        for text,stop in (("hello abx zz",["xy","abx z"]),("a \ufffd",[]),("aa bb\n\nQ",["\n\nQ"]),("hello abx z",["abx z","xy"])):
            q=Queue(); s=TextStreamer(P(),[],stop,q); s.put(torch.empty(0))
            for c in text: s.put(torch.tensor([ord(c)]))
            s.end(); print(repr(''.join(q.queue)), repr(s.text(s.ids)))
def test_413(tiny_checkpoints,capsys):
    predictor=load_pair(tiny_checkpoints["llava-mlp"]).predictor
    with capsys.disabled(), serving(lambda: predictor) as server:
        h,p=server.url.split('//')[1].split(':')
        s=socket.create_connection((h,int(p))); s.settimeout(9)
        s.sendall(b'POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 99999999\r\n\r\n')
        t=time.time(); 
        try:
            while (b:=s.recv(9999)): print(b[:40], time.time()-t)
            print('EOF', time.time()-t)
        except Exception as e: print(repr(e), time.time()-t)
def test_stress(tiny_checkpoints, capsys):
    from vistune.serve import jobs as J, chat as C
    predictor=load_pair(tiny_checkpoints["llava-mlp"]).predictor
    alive=[]
    init=C._Channel.__init__
    def noted(self,body): init(self,body); alive.append(weakref.ref(self))
    C._Channel.__init__=noted
    res=[]
    with capsys.disabled(), serving(lambda: predictor,max_queue=200) as server:
        sub=server.engine.submit; jobs=[]
        def submit(js): jobs.extend(weakref.ref(j) for j in js); sub(js)
        server.engine.submit=submit
        url=server.url+"/v1/chat/completions"
        expect={}
        def one(n):
            r=random.Random(n)
            body={"model":"tiny","messages":[user(f"q {n%7}",*([picture(n%3)] if n%2 else []))],"max_tokens":r.choice((1,5,30,100)),"stream":r.random()<.6,"n":r.choice((1,1,3)),"seed":n%5,**r.choice(({},{"temperature":1.2}))}
            mode=r.choice(("all","leave","timeout"))
            try:
                with httpx.stream("POST",url,json=body,timeout=0.3 if mode=="timeout" else 60) as a:
                    if mode=="leave":
                        next(a.iter_raw(),None); return "left"
                    t=a.read().decode()
                    if body["stream"]: assert t.endswith("data: [DONE]\n\n"), t[-200:]
                    return a.status_code
            except httpx.TimeoutException: return "timeout"
            except Exception as e: return repr(e)
        with ThreadPoolExecutor(12) as pool:
            import collections
            end=time.time()+14; got=collections.Counter(); n=0
            while time.time()<end:
                for x in pool.map(one, range(n,n+24)): got[x]+=1
                n+=24
        print(got)
        until(lambda: server.engine.idle); time.sleep(1)
        print('before gc: jobs', sum(j() is not None for j in jobs),'of',len(jobs),'channels',sum(c() is not None for c in alive),'of',len(alive))
        gc.collect(); time.sleep(.3)
        print('after gc: jobs', sum(j() is not None for j in jobs),'channels',sum(c() is not None for c in alive))
        import asyncio
        print(server._chat._preparing, [l for l in httpx.get(server.url+'/metrics').text.splitlines() if 'requests_total' in l])
    C._Channel.__init__=init
