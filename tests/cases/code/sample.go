package cache

import (
	"container/list"
	"errors"
	"fmt"
	"sync"
	"time"
)

// ErrNotFound is returned when a key is not in the cache.
var ErrNotFound = errors.New("cache: not found")

type entry struct {
	key     string
	value   []byte
	expires time.Time
}

// Cache is a least-recently-used cache, safe for concurrent use.
type Cache struct {
	mu    sync.Mutex
	limit int
	ttl   time.Duration
	order *list.List
	items map[string]*list.Element
	now   func() time.Time
}

// New makes a cache of at most limit entries.
func New(limit int, ttl time.Duration) (*Cache, error) {
	if limit <= 0 {
		return nil, fmt.Errorf("cache: limit %d is not positive", limit)
	}
	return &Cache{
		limit: limit,
		ttl:   ttl,
		order: list.New(),
		items: make(map[string]*list.Element, limit),
		now:   time.Now,
	}, nil
}

// Get returns the value of a key.
func (c *Cache) Get(key string) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	element, ok := c.items[key]
	if !ok {
		return nil, ErrNotFound
	}
	item := element.Value.(*entry)
	if c.now().After(item.expires) {
		c.remove(element)
		return nil, ErrNotFound
	}
	c.order.MoveToFront(element)
	return item.value, nil
}

// Put sets the value of a key and evicts what does not fit.
func (c *Cache) Put(key string, value []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	expires := c.now().Add(c.ttl)
	if element, ok := c.items[key]; ok {
		item := element.Value.(*entry)
		item.value, item.expires = value, expires
		c.order.MoveToFront(element)
		return
	}
	c.items[key] = c.order.PushFront(&entry{key: key, value: value, expires: expires})
	for c.order.Len() > c.limit {
		c.remove(c.order.Back())
	}
}

func (c *Cache) remove(element *list.Element) {
	c.order.Remove(element)
	delete(c.items, element.Value.(*entry).key)
}

// Each calls visit for every live entry, newest first, until it returns false.
func (c *Cache) Each(visit func(key string, value []byte) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for element := c.order.Front(); element != nil; element = element.Next() {
		item := element.Value.(*entry)
		switch {
		case c.now().After(item.expires):
			continue
		case !visit(item.key, item.value):
			return
		}
	}
}
